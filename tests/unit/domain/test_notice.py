"""Notices: what no aggregate takes is kept and listed, readable or not."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

from domain.aggregates.notice import Notice
from domain.delivery import Delivery
from tests.support.histories import NOON, aggregates, delivery, of_one, rendered, said
from tests.support.samples import samples

if TYPE_CHECKING:
    from domain.timeline import Entry


def _line(*deliveries: Delivery) -> Entry:
    noticed = of_one(*deliveries)
    assert isinstance(noticed, Notice)
    assert noticed.entities() == []
    (entry,) = noticed.timeline()
    return entry


def test_an_unknown_type_is_listed_without_a_verdict_since_no_machine_is_asked() -> None:
    line = _line(said("payout.reversed", 0, "msg_7", payout_id="pyt_1"))
    assert (line.kind, line.id, line.webhook_id) == ("notice", "msg_7", "msg_7")
    assert (line.type, line.occurred_at, line.recorded_at) == ("payout.reversed", NOON, NOON)
    assert (line.verdict, line.reason, line.gap) == (None, None, False)
    assert (line.from_, line.to, line.position) == (None, None, "1")


def test_a_type_that_nobody_has_heard_of_is_listed_under_its_name() -> None:
    line = _line(delivery(samples()["loyalty_stamp.collected"]))
    assert (line.type, line.verdict) == ("loyalty_stamp.collected", None)


def test_a_payment_without_an_id_is_refused_with_the_reason_and_its_time() -> None:
    line = _line(said("payment.succeeded", 5, "msg_7", total_amount=500))
    assert (line.type, line.verdict) == ("payment.succeeded", "refused")
    assert line.reason == "data.payment_id is missing, or not an id"
    assert line.occurred_at is not None
    assert (line.occurred_at - NOON).total_seconds() == 300


def test_an_unreadable_body_is_refused_without_a_time_or_a_tenant() -> None:
    noticed = of_one(delivery(b"<html>SECRET17</html>", "msg_7"))
    line = _line(delivery(b"<html>SECRET17</html>", "msg_7"))
    assert (line.type, line.verdict, line.occurred_at) == ("unreadable", "refused", None)
    assert line.reason is not None
    assert "SECRET17" not in line.reason
    assert noticed.business_id == ""


def test_a_notice_belongs_to_its_tenant() -> None:
    assert of_one(said("payout.created")).business_id == "bus_1"


def test_each_webhook_id_is_a_notice_of_its_own() -> None:
    streams = aggregates([said("payout.created", 0, "msg_1"), said("payout.created", 0, "msg_2")])
    assert sorted(streams) == ["notice/msg_1", "notice/msg_2"]


def test_a_repeated_notice_is_one_event() -> None:
    again = said("payout.created", 0, "msg_1", amount=1)
    assert of_one(again, again, again).version == 1


def test_several_bodies_under_one_webhook_id_are_one_line_in_every_order() -> None:
    bodies = [
        said("payout.created", 0, "msg_1", status="in_progress"),
        said("payout.created", 0, "msg_1", status="success"),
        delivery(b"not json", "msg_1"),
    ]
    outcomes = {rendered(aggregates(order)) for order in permutations(bodies)}
    assert len(outcomes) == 1
    assert {of_one(*order).business_id for order in permutations(bodies)} == {"bus_1"}
    assert of_one(*bodies).version == 3
    assert _line(*bodies).webhook_id == "msg_1"


def test_the_body_is_kept_to_the_byte() -> None:
    body = b" \r\n\xff\x00 not json \n"
    (event,) = of_one(delivery(body)).events
    assert event.delivery.body == body


def test_a_body_that_comes_later_is_read_too() -> None:
    whole = of_one(delivery(b"not json", "msg_1"), said("payout.created", 0, "msg_1"))
    noticed = Notice(whole.id, whole.events[:1])
    assert (noticed.business_id, noticed.timeline()[0].type) == ("", "unreadable")
    noticed.append(whole.events[1])
    assert (noticed.business_id, noticed.timeline()[0].type) == ("bus_1", "payout.created")
