"""What is wrong: each code opens and settles when it should, now, as of then and as known then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest

from api.answers.anomalies import Anomaly
from domain.anomalies.catalogue import CODES
from domain.look import Look
from ledger.application import Ledger
from tests.support.histories import NOON, delivery, said
from tests.support.http_server import Served, copied, served
from tests.support.past import told_twice
from tests.support.projected import project, record
from tests.support.rebuilds import execute
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from domain.delivery import Delivery

HOUR, DAY = 60, 24 * 60
FAR = "2099-01-01T00:00:00Z"
BUYER = {"customer": {"customer_id": "cus_1"}}


def text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def after(minutes: int) -> str:
    return text(NOON + timedelta(minutes=minutes))


def subscribed(word: str, minute: int, id_: str = "sub_1", **data: Any) -> Delivery:  # noqa: ANN401
    named = {"subscription_id": id_, "product_id": "pdt_1", "status": word} | BUYER
    price = {"recurring_pre_tax_amount": 1_900, "currency": "USD"}
    webhook_id = f"msg_{id_}_{word}_{minute}"
    return said(f"subscription.{word}", minute, webhook_id, **named | price | data)


def charged(word: str, minute: int, id_: str = "pay_1", **data: Any) -> Delivery:  # noqa: ANN401
    named = {"payment_id": id_, "status": word} | BUYER
    price = {"total_amount": 2_300, "currency": "USD", "created_at": after(minute)}
    return said(f"payment.{word}", minute, f"msg_{id_}_{word}_{minute}", **named | price | data)


def refunded(minute: int, amount: int, id_: str) -> Delivery:
    about = {"refund_id": id_, "payment_id": "pay_1", "status": "succeeded"}
    return said("refund.succeeded", minute, f"msg_{id_}", **about, amount=amount, currency="USD")


RENEWAL: dict[str, Any] = {
    "subscription_id": "sub_1",
    "charge_type": "renewal",
    "includes_usage": False,
    "settlement_amount": 2_300,
}
NOT_FOUND = Look(
    kind="subscription",
    business_id="bus_gone",
    at=NOON + timedelta(minutes=5),
    endpoint="GET /subscriptions/{id}",
    data=None,
    asked={"subscription_id": "sub_1"},
)
ON_HOLD_AHEAD = subscribed("updated", 5, status="on_hold")
LIVES: dict[str, tuple[list[Delivery], int, Delivery | None]] = {
    # What is told, after how many minutes it opens, and what settles it a day later.
    "overdue": (
        [subscribed("active", 0, next_billing_date=after(DAY))],
        DAY + 28 * HOUR,
        subscribed("renewed", 4 * DAY, status="active", next_billing_date=FAR),
    ),
    "grace_ended": (
        [subscribed("active", 0), subscribed("past_due", 5, past_due_ends_at=after(DAY))],
        DAY + 28 * HOUR,
        subscribed("on_hold", 4 * DAY),
    ),
    "drift": (
        [subscribed("active", 0), ON_HOLD_AHEAD],
        5 + 28 * HOUR,
        subscribed("on_hold", 4 * DAY),
    ),
    "gap": ([subscribed("on_hold", 0)], 0, None),
    "refused": (
        [subscribed("active", 0), subscribed("failed", 5)],
        5,
        subscribed("renewed", 4 * DAY, status="active"),
    ),
    "after_end": (
        [subscribed("active", 0), subscribed("cancelled", 5), subscribed("active", 10)],
        10,
        subscribed("cancelled", 4 * DAY),
    ),
    "over_refunded": (
        [charged("succeeded", 0), refunded(5, 2_000, "ref_1"), refunded(6, 400, "ref_2")],
        6,
        None,
    ),
    "gone": ([subscribed("active", 0)], 5, subscribed("updated", 4 * DAY, status="active")),
    "unreadable": ([said("payment.succeeded", 0, "msg_odd", no_id=1)], 0, None),
    "two_live": (
        [subscribed("active", 0), subscribed("active", 5, "sub_2")],
        5,
        subscribed("cancelled", 4 * DAY),
    ),
    "paid_unseen": (
        [charged("succeeded", 0, subscription_id="sub_1")],
        28 * HOUR,
        subscribed("active", 4 * DAY),
    ),
    "charged_after_end": (
        [
            subscribed("active", 0),
            subscribed("cancelled", 5),
            charged("succeeded", 10, subscription_id="sub_1"),
        ],
        10,
        said(
            "refund.succeeded",
            4 * DAY,
            "msg_back",
            refund_id="ref_1",
            payment_id="pay_1",
            amount=2_300,
            currency="USD",
            status="succeeded",
        ),
    ),
    "amount_unfit": (
        [subscribed("active", 0), charged("succeeded", 10, **RENEWAL)],
        10,
        refunded(4 * DAY, 400, "ref_1"),
    ),
}


@pytest.fixture(scope="module")
def shops(cluster: str, template: str) -> Iterator[Served]:
    """A server of one business for each code, in which that goes wrong, and is settled."""
    with copied(cluster, template) as conninfo:
        for code, (life, _, settling) in LIVES.items():
            record(conninfo, [of_business(f"bus_{code}", one) for one in life])
            if code == "gone":
                with Ledger(conninfo) as ledger:
                    ledger.observe([NOT_FOUND])
            settled = [settling] if settling else []
            record(conninfo, [of_business(f"bus_{code}", one) for one in settled])
        project(conninfo)
        with served(conninfo) as server:
            yield server


def of_business(business_id: str, one: Delivery) -> Delivery:
    body = msgspec.json.decode(one.body)
    return delivery(body | {"business_id": business_id}, f"{one.webhook_id}_{business_id}")


def listed(server: Served, **asked: str) -> list[Anomaly]:
    if "known_at" in asked:
        # What was known then is built first, which may take longer than a request waits.
        until(lambda: server.client.get("/v1/anomalies", params=asked).status_code == 200)
    page = server.get("/v1/anomalies", **asked)
    assert page["next"] is None
    return msgspec.convert(page["items"], list[Anomaly])


def test_every_code_is_tried() -> None:
    assert {*LIVES, "silent"} == set(CODES)


@pytest.mark.parametrize("code", LIVES)
def test_an_anomaly_is_open_from_when_it_begins_until_it_is_settled(
    shops: Served, code: str
) -> None:
    life, opens, settling = LIVES[code]
    asked = {"code": code, "business_id": f"bus_{code}"}
    assert listed(shops, **asked, as_of=text(NOON + timedelta(minutes=opens, seconds=-1))) == []
    (found,) = listed(shops, **asked, as_of=after(opens))
    assert (found.since, found.business_id) == (NOON + timedelta(minutes=opens), f"bus_{code}")
    ids = {f"{one.webhook_id}_bus_{code}" for one in life}
    looked = {one.webhook_id for one in found.evidence if one.webhook_id.startswith("raphus_look_")}
    assert {one.webhook_id for one in found.evidence} <= ids | looked
    assert len(looked) == (code == "gone")
    assert found.evidence
    assert found.objects[0].id == found.id
    assert "{" not in found.text
    assert found.id in found.text
    assert found.action == CODES[code].action
    if code != "unreadable":
        assert found.customer_id == "cus_1"
        assert (found.currency, found.amount in {1_900, 2_300, 400}) == ("USD", True)
    if settling is None:
        assert found.until is None
        assert listed(shops, **asked) == [found]
    else:
        assert found.until == NOON + timedelta(days=4)
        assert listed(shops, **asked, as_of=after(4 * DAY)) == []
        assert listed(shops, **asked, as_of=after(4 * DAY - 1)) == [found]
        assert listed(shops, **asked) == []


def test_the_texts_tell_what_when_and_how_much(shops: Served) -> None:
    def told(code: str) -> str:
        when = after(LIVES[code][1])
        (found,) = listed(shops, code=code, business_id=f"bus_{code}", as_of=when)
        return found.text

    assert told("overdue") == (
        "Subscription sub_1 is active, was due 2026-05-02 12:00:00 UTC, and nothing was heard"
        " since: no renewal, no failure, no end."
    )
    assert told("over_refunded") == (
        "Of payment pay_1 more is given back than was paid: 24.00 USD of 23.00 USD."
    )
    assert told("two_live") == (
        "Subscription sub_2 is live beside subscription sub_1, of the same customer for the same"
        " product."
    )
    assert told("drift") == (
        "Of subscription sub_1 Dodo last said on_hold, while its webhooks lead to active: for"
        " longer than it tries to deliver."
    )


def test_a_renewal_that_arrives_late_takes_overdue_away_as_of_then_and_not_as_known_then(
    cluster: str, template: str
) -> None:
    first = [subscribed("active", 0, next_billing_date=after(DAY))]
    late = subscribed("renewed", DAY, status="active", next_billing_date=FAR)
    then = {"as_of": after(4 * DAY)}
    with told_twice(cluster, template, first, [late]) as past:
        known = {"known_at": past.between}
        assert listed(past.server, **then) == []
        (was,) = listed(past.server, **then, **known)
        assert (was.code, was.until) == ("overdue", None)
        assert listed(past.server, **known) == [was], "known_at alone asks about that very time"
        assert listed(past.server) == []


def test_nobody_is_told_of_another_business(shops: Served) -> None:
    of_all = {one.business_id for one in listed(shops)}
    assert {"bus_gap", "bus_over_refunded", "bus_unreadable"} <= of_all
    assert {one.business_id for one in listed(shops, business_id="bus_gap")} == {"bus_gap"}
    assert listed(shops, business_id="bus_nowhere") == []


def test_the_list_is_filtered_and_leads_on(cluster: str, template: str) -> None:
    with copied(cluster, template) as conninfo:
        # Many of one instant: the cursor tells them apart.
        record(conninfo, [subscribed("on_hold", 0, f"sub_{n}") for n in range(7)])
        record(conninfo, [subscribed("on_hold", n, f"sub_x{n}") for n in range(4)])
        record(conninfo, [charged("succeeded", 0, subscription_id="sub_0")])
        project(conninfo)
        with served(conninfo) as server:
            found: list[Anomaly] = []
            cursor: dict[str, str] = {}
            while True:
                page = server.get("/v1/anomalies", limit=2, **cursor)
                found += msgspec.convert(page["items"], list[Anomaly])
                if page["next"] is None:
                    break
                cursor = {"cursor": page["next"]}
            assert len({one.id for one in found}) == len(found) == 11
            assert all(one.since >= later.since for one, later in pairwise(found))
            assert found == listed(server)
            assert listed(server, kind="subscription", code="gap", customer_id="cus_1") == found
            assert listed(server, kind="payment") == listed(server, customer_id="cus_2") == []
            assert server.refused("/v1/anomalies", code="odd") == (400, "invalid_parameter")
            assert server.refused("/v1/anomalies", cursor="odd") == (400, "invalid_parameter")


def spread(conninfo: str, pauses: Sequence[timedelta], last_at: datetime) -> None:
    """Let the webhooks in the log have come with these pauses, the last one at an instant."""
    at = [last_at]
    for pause in reversed(pauses):
        at.append(at[-1] - pause)
    with psycopg.connect(conninfo) as conn:
        for position, instant in enumerate(reversed(at), start=1):
            for table, name in (("ledger_events", "notification_id"), ("timeline", "position")):
                conn.execute(
                    f"UPDATE raphus.{table} SET recorded_at = %s WHERE {name} = %s".encode(),
                    [instant, position],
                )


@pytest.mark.parametrize(
    ("pause", "usual"), [(timedelta(hours=1), 24 * HOUR), (timedelta(hours=20), 40 * HOUR)]
)
def test_a_business_is_silent_when_nothing_comes_for_much_longer_than_usual(
    cluster: str, template: str, pause: timedelta, usual: int
) -> None:
    webhooks, last_at = 40, datetime.now(UTC) - timedelta(days=20)
    opens = last_at + timedelta(minutes=usual)
    with copied(cluster, template) as conninfo:
        record(conninfo, [charged("succeeded", n, f"pay_{n}") for n in range(webhooks)])
        record(conninfo, [of_business("bus_new", charged("succeeded", 0, "pay_0"))])
        project(conninfo)
        spread(conninfo, [pause] * (webhooks - 1), last_at)
        execute(
            conninfo, "UPDATE raphus.timeline SET recorded_at = '2026-01-01' WHERE position = 41"
        )
        with served(conninfo) as server:
            (found,) = listed(server)
            assert (found.code, found.kind, found.id) == ("silent", "business", "bus_1")
            assert (found.since, found.until) == (opens, None)
            assert [one.webhook_id for one in found.evidence] == ["msg_pay_39_succeeded_39"]
            assert listed(server, code="silent", business_id="bus_1") == [found]
            assert listed(server, code="gap") == listed(server, customer_id="cus_1") == []
            assert listed(server, as_of=text(opens)) == [found]
            assert listed(server, as_of=text(opens - timedelta(seconds=1))) == []
            position = server.deliver(charged("succeeded", 50, "pay_50").body)
            server.get("/v1/payments", min_position=position)
            assert listed(server) == []
            (was,) = listed(server, as_of=text(opens))
            assert was.until is not None
            assert msgspec.structs.replace(was, until=None) == found


def test_metrics_count_what_is_open_by_code(shops: Served) -> None:
    counted = {one.code: 0 for one in listed(shops)}
    for one in listed(shops):
        counted[one.code] += 1
    exposed = shops.client.get("/metrics").text
    for code in CODES:
        assert f'raphus_anomalies{{code="{code}"}} {float(counted.get(code, 0))}' in exposed
