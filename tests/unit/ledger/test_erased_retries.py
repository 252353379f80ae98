"""A retry of a webhook whose body was emptied since is no new event, whatever the body is."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from domain.delivery import Delivery, ErasedDelivery, is_same
from domain.event import Event
from domain.personal_data import emptied
from ledger.mapper import LedgerMapper, encode
from ledger.stream import Stream
from tests.support.mutations import bodies

_decode = LedgerMapper().decode


def erased(one: Delivery) -> ErasedDelivery:
    headers = one.webhook_id, one.webhook_timestamp, one.webhook_signature
    return ErasedDelivery(*headers, emptied(one.body), one.body_hash, "raphus_erasure_1")


@given(st.lists(bodies(), min_size=1, max_size=4, unique=True))
def test_a_retry_is_found_and_another_body_is_not(told: list[bytes]) -> None:
    arrivals = [Delivery("msg_1", "1", "v1,x", body) for body in told]
    held = [
        Event("s", n, "t", erased(one), position=n) for n, one in enumerate(arrivals[1:], start=1)
    ]
    stream = Stream("s", len(held), held)
    retried = [stream.take(one, "t") for one in arrivals[1:]]
    assert [(taken.event, taken.duplicate) for taken in retried] == [(e, True) for e in held]
    assert not stream.take(arrivals[0], "t").duplicate
    assert stream.take(arrivals[0], "t").duplicate


def test_the_emptied_body_itself_is_another_delivery() -> None:
    came = Delivery("msg_1", "1", "v1,x", b'{"data":{"email":"jane@example.com"}}')
    forged = msgspec.structs.replace(came, body=emptied(came.body))
    assert not is_same(erased(came), forged)
    assert not is_same(erased(came), msgspec.structs.replace(came, webhook_id="msg_2"))
    assert is_same(came, erased(came))


def test_an_emptied_delivery_is_stored_in_a_format_of_its_own_and_read_as_what_it_is() -> None:
    came = Delivery("msg_1", "1", "v1,x", b'{"data":{"email":"jane@example.com"}}')
    state = encode(erased(came))
    assert state[0] == 2
    assert _decode("s", 1, "t", state).delivery == erased(came)
    assert encode(came)[0] == 1
    assert type(_decode("s", 1, "t", encode(came)).delivery) is Delivery
