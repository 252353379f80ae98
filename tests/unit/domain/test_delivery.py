"""Deliveries: the four things that a body must say, and when what it says happened."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates.factory import aggregate
from domain.delivery import UnreadableError, as_utc, read_envelope
from tests.support.histories import delivery, of_one
from tests.support.samples import Json

if TYPE_CHECKING:
    from collections.abc import Callable

    from domain.timeline import Entry

BODY: dict[str, Json] = {
    "business_id": "bus_1",
    "type": "payment.succeeded",
    "timestamp": "2026-05-01T12:00:00.123456Z",
    "data": {"payment_id": "pay_1"},
}
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
REQUIRED = sorted(BODY)


def _body(**changed: Json) -> bytes:
    return json.dumps(BODY | changed).encode()


def _occurred_at(timestamp: str) -> datetime:
    return read_envelope(_body(timestamp=timestamp)).timestamp


def test_a_body_says_what_happened_where_when_and_to_what() -> None:
    envelope = read_envelope(_body())
    assert (envelope.type, envelope.business_id) == ("payment.succeeded", "bus_1")
    assert envelope.timestamp == NOON + timedelta(microseconds=123456)
    assert envelope.data == {"payment_id": "pay_1"}


def test_keys_come_in_any_order_with_others_between_them_and_white_space_around() -> None:
    reversed_ = {"new": [1], **dict(reversed(BODY.items())), "id": None}
    spaced = b" \r\n" + json.dumps(reversed_, indent=3).encode() + b"\t\n"
    assert read_envelope(spaced).business_id == "bus_1"


@pytest.mark.parametrize("missing", REQUIRED)
def test_a_body_without_one_of_the_four_is_unreadable(missing: str) -> None:
    body = {key: value for key, value in BODY.items() if key != missing}
    with pytest.raises(UnreadableError, match=missing):
        read_envelope(json.dumps(body).encode())


@pytest.mark.parametrize("value", [None, True, 7, 1.5, [], ["x"]])
@pytest.mark.parametrize("key", REQUIRED)
def test_one_of_the_four_in_another_type_is_unreadable(key: str, value: Json) -> None:
    with pytest.raises(UnreadableError, match=key):
        read_envelope(_body(**{key: value}))


@pytest.mark.parametrize("value", ["", "x" * 201, "a\x00b", "a\nb", "\u202ebus"])
@pytest.mark.parametrize("key", ["type", "business_id"])
def test_a_type_or_a_tenant_that_is_no_name_is_unreadable(key: str, value: str) -> None:
    with pytest.raises(UnreadableError, match=rf"^{key} is empty, unprintable or over"):
        read_envelope(_body(**{key: value}))


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"null", b"[]", b'"x"', b"{", b"{}{}", b"{'a':1}", b"a=b", b"\xef\xbb\xbf{}"],
)
def test_what_is_no_json_object_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableError, match=r"^the body is not a delivery: "):
        read_envelope(body)


@pytest.mark.parametrize("where", [b"bus_1", b"payment.succeeded", b"2026-05-01", b"timestamp"])
def test_bytes_that_are_no_utf_8_are_unreadable(where: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_envelope(_body().replace(where, b"\xff\xfe"))


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_body_nested_100_000_deep_is_unreadable(opening: bytes) -> None:
    nested = opening * 100_000 + b"1" + {b"[": b"]"}.get(opening, b"}") * 100_000
    for place in (b'"pay_1"', b'{"payment_id": "pay_1"}'):
        with pytest.raises(UnreadableError, match=r"^the body is nested too deeply$"):
            read_envelope(_body().replace(place, nested))


_OPENED = b"[]" * 101
HOSTILE = {
    "a string of escaped quotes that does not end": (_OPENED + b'"', b'\\"'),
    "a string of escapes that does not end": (_OPENED + b'"', b"\\\\"),
    "one backslash more than there are pairs": (_OPENED + b'"\\', b"\\\\"),
    "quotes alone": (_OPENED, b'"'),
    "strings that end": (_OPENED, b'"a"'),
    "backslashes outside of strings": (_OPENED, b"\\"),
    "brackets": (b"", b"[]"),
    "brackets in a string": (_OPENED + b'"', b"["),
    "digits": (b"", b"9"),
    "an exponent": (b"1e", b"9"),
    "digits behind a point": (b"0.", b"9"),
    "many keys": (b"{", b'"a":1,'),
    "white space": (b"", b" "),
}


@pytest.mark.parametrize(("beginning", "filling"), HOSTILE.values(), ids=HOSTILE)
def test_reading_takes_time_in_proportion_to_a_bodys_size(beginning: bytes, filling: bytes) -> None:
    def took_s(size_bytes: int) -> float:
        body = _body().replace(b'"pay_1"', beginning + filling * (size_bytes // len(filling)))
        began = time.process_time()
        with suppress(UnreadableError):
            read_envelope(body)
        return time.process_time() - began

    # Were it quadratic, 16 times as much would take 256 times as long; what takes no time to
    # speak of is measured too coarsely to tell, and anything may happen in between once.
    small, large = (min(took_s(size) for _ in range(5)) for size in (2**11, 2**15))
    assert large < 80 * max(small, 0.001)


def _from_deeper(frames: int, call: Callable[[], list[Entry]]) -> list[Entry]:
    return call() if frames == 0 else _from_deeper(frames - 1, call)


@pytest.mark.parametrize("depth", range(500, 1000, 100))
def test_whether_a_body_can_be_read_does_not_depend_on_who_reads_it(depth: int) -> None:
    body = _body(data={"payment_id": "pay_1", "metadata": None}).replace(
        b"null", b"[" * depth + b"]" * depth
    )
    stream = of_one(delivery(body))
    again = aggregate(stream.id, stream.events)
    assert _from_deeper(400, again.timeline) == stream.timeline()


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_other_bytes_are_unreadable_and_nothing_worse(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_envelope(body)


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-05-01T12:00:00Z",
        "2026-05-01t12:00:00z",
        "2026-05-01T12:00:00.0Z",
        "2026-05-01T12:00:00.000000Z",
        "2026-05-01T12:00:00+00:00",
        "2026-05-01T14:00:00+02:00",
        "2026-05-01T17:30:00+05:30",
        "2026-05-01T00:00:00-12:00",
        "2026-05-02T01:45:00+13:45",
    ],
)
def test_an_instant_is_the_same_in_every_spelling(timestamp: str) -> None:
    assert _occurred_at(timestamp) == NOON
    assert _occurred_at(timestamp).tzinfo is UTC


def test_a_timestamp_without_an_offset_is_taken_to_be_in_utc() -> None:
    assert _occurred_at("2026-05-01T12:00:00") == NOON
    assert as_utc(datetime(2026, 5, 1, 12)) == NOON  # noqa: DTZ001 -- naive on purpose


@pytest.mark.parametrize(
    ("timestamp", "microseconds"),
    [
        ("2026-05-01T12:00:00.5Z", 500_000),
        ("2026-05-01T12:00:00.05Z", 50_000),
        ("2026-05-01T12:00:00.000001Z", 1),
        ("2026-05-01T12:00:00.999999Z", 999_999),
    ],
)
def test_a_fraction_is_kept_to_the_microsecond(timestamp: str, microseconds: int) -> None:
    assert _occurred_at(timestamp) == NOON + timedelta(microseconds=microseconds)


def test_a_fraction_finer_than_a_microsecond_is_no_reason_to_refuse() -> None:
    finer = _occurred_at("2026-05-01T12:00:00.123456789Z")
    assert abs(finer - NOON - timedelta(microseconds=123456)) <= timedelta(microseconds=1)


@pytest.mark.parametrize(
    "timestamp",
    [
        "9999-12-31T23:59:59-01:00",
        "0001-01-01T00:00:00+01:00",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-05-01",
        "yesterday",
        "1777636800",
        "",
    ],
)
def test_a_timestamp_that_is_no_instant_of_the_years_1_to_9999_is_unreadable(
    timestamp: str,
) -> None:
    with pytest.raises(UnreadableError, match=r"^the body is not a delivery: "):
        read_envelope(_body(timestamp=timestamp))


@pytest.mark.parametrize("timestamp", ["9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z"])
def test_the_first_and_the_last_instants_are_read(timestamp: str) -> None:
    assert _occurred_at(timestamp) == datetime.fromisoformat(timestamp)


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)),  # noqa: DTZ001 -- an offset is added
    st.integers(-23 * 60, 23 * 60),
)
def test_every_offset_is_reckoned_with(moment: datetime, offset_minutes: int) -> None:
    elsewhere = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    assert _occurred_at(elsewhere.isoformat()) == elsewhere


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # As text, each pair would sort the other way round.
        ("2026-05-01T14:00:00+02:00", "2026-05-01T12:30:00Z"),
        ("2026-05-01T12:00:00Z", "2026-05-01T12:00:00.5Z"),
        ("2026-05-01T12:00:00.5Z", "2026-05-01T12:00:00.50001Z"),
        ("2026-05-01T12:00:00", "2026-05-01T10:00:01-02:00"),
        ("2026-05-02T00:30:00+13:00", "2026-05-01T12:00:00Z"),
    ],
)
def test_deliveries_are_put_in_order_by_their_instants_not_by_their_text(
    first: str, second: str
) -> None:
    assert second < first
    # The success comes first, so that only the order of the instants makes the failure invalid.
    succeeded = delivery(_body(timestamp=first), "msg_first")
    failed = delivery(_body(timestamp=second, type="payment.failed"), "msg_second")
    for order in ((succeeded, failed), (failed, succeeded)):
        entries = of_one(*order).timeline()
        assert [entry.webhook_id for entry in entries] == ["msg_first", "msg_second"]
        assert [entry.verdict for entry in entries] == ["applied", "refused"]
