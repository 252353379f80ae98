"""The mapper: what was delivered comes back as it came, to the byte."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import given
from hypothesis import strategies as st

from domain.delivery import Delivery
from domain.event import Event
from ledger.mapper import LedgerMapper, RecordedEvent, UnknownFormatError
from tests.support.histories import delivery
from tests.support.samples import rehearsals, samples

MAPPER = LedgerMapper()
# Format 1, by hand: msgpack's array of four, three texts and one binary string.
STORED = b"\x01\x94\xa5msg_1\xaa1777636800\xa4v1,x\xc4\x04 {} "
DELIVERED = Delivery("msg_1", "1777636800", "v1,x", b" {} ")


def _event(delivered: Delivery) -> Event:
    return Event("payment/bus_1/pay_1", 3, "payment.succeeded", delivered)


def _round_trip(event: Event) -> Event:
    stored = MAPPER.to_stored_event(event)
    return MAPPER.to_domain_event(stored)


@given(st.text(), st.text(), st.text(), st.binary())
def test_any_bytes_and_headers_come_back_as_they_came(
    webhook_id: str, timestamp: str, signature: str, body: bytes
) -> None:
    event = _event(Delivery(webhook_id, timestamp, signature, body))
    assert _round_trip(event) == event


@pytest.mark.parametrize("body", (samples() | rehearsals()).values(), ids=samples() | rehearsals())
def test_every_sample_comes_back_to_the_byte(body: bytes) -> None:
    assert _round_trip(_event(delivery(body))).delivery.body == body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"\r\n\t{}\n\n ",
        b'  {"a":1}  ',
        b'{"a": 1, "a" :1.0,"b":"\\u00e9\\/"}',
        b"\xef\xbb\xbf{}",
        b"\x00\xff\xfe",
        b"not json",
        b"x" * 2**20,
    ],
)
def test_white_space_spelling_and_what_is_no_json_are_kept(body: bytes) -> None:
    kept = _round_trip(_event(delivery(body))).delivery.body
    assert type(kept) is bytes
    assert kept == body


def test_a_stored_event_has_its_stream_version_topic_and_webhook_id_in_columns() -> None:
    stored = MAPPER.to_stored_event(_event(DELIVERED))
    assert (stored.originator_id, stored.originator_version) == ("payment/bus_1/pay_1", 3)
    assert (stored.topic, stored.webhook_id) == ("payment.succeeded", "msg_1")


def test_the_first_format_is_written_and_stays_readable_for_ever() -> None:
    assert MAPPER.to_stored_event(_event(DELIVERED)).state == STORED
    stored = StoredEvent("payment/bus_1/pay_1", 3, "payment.succeeded", STORED)
    assert MAPPER.to_domain_event(stored) == _event(DELIVERED)


def test_an_event_has_a_position_and_a_time_once_it_is_committed() -> None:
    committed_at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    row = RecordedEvent("payment/bus_1/pay_1", 3, "payment.succeeded", STORED, 17, committed_at)
    event = MAPPER.to_domain_event(row)
    assert (event.position, event.recorded_at) == (17, committed_at)
    assert event.delivery == DELIVERED
    assert (_event(DELIVERED).position, _event(DELIVERED).recorded_at) == (None, None)


def test_a_format_of_a_later_release_is_refused_and_names_the_position() -> None:
    with pytest.raises(UnknownFormatError, match="format 3 of position 17"):
        MAPPER.decode("payment/bus_1/pay_1", 3, "payment.succeeded", b"\x03" + STORED[1:], 17)
