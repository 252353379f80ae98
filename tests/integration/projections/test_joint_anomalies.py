"""Anomalies of two things: followed or rebuilt, they are what each thing's facts add up to."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from domain.aggregates.payment import PaymentEntity
from domain.aggregates.subscription import MACHINE, SubscriptionEntity, counts_as_active
from domain.lateness import MISSING_AFTER
from ledger.application import Ledger
from projections.live.regrouping import Regrouping
from projections.read_models.catalogue import READ_MODELS
from projections.rebuild.rebuild import rebuild
from tests.support.connected import connected
from tests.support.deliveries import receipts
from tests.support.histories import NOON, aggregates, said
from tests.support.projected import following, go_to_the_end, project, record, shown
from tests.support.rebuilds import execute, ignore, rebuilt, replayed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from domain.aggregate import Aggregate
    from domain.delivery import Delivery
    from postgres.together import Sent
    from projections.live.regrouping import Group

HOURS = 160
SHOPS = 12
TABLES = {"anomaly_spans", "joint_anomalies"}


def deliveries(seed: int) -> list[Delivery]:
    """Let few customers have few things, of which odd things are told, in any order."""
    rng = random.Random(seed)
    made = [
        _delivery(rng, shop, f"msg_{shop}_{number}")
        for shop in range(SHOPS)
        for number in range(26)
    ]
    rng.shuffle(made)
    return made


def _delivery(rng: random.Random, shop: int, webhook_id: str) -> Delivery:
    minute = rng.randrange(HOURS) * 60
    customer = {"customer_id": f"cus_{shop}_{rng.randrange(2)}"}
    sub = f"sub_{shop}_{rng.randrange(4)}"
    if rng.random() < 0.55:
        word = rng.choice(["active", "active", "renewed", "past_due", "on_hold", "cancelled"])
        data: dict[str, Any] = {"status": "active" if word == "renewed" else word}
        data |= {"product_id": f"pdt_{rng.randrange(2)}", "customer": customer}
        if word == "past_due":
            data["past_due_ends_at"] = text(NOON + timedelta(hours=rng.randrange(HOURS)))
        return said(f"subscription.{word}", minute, webhook_id, subscription_id=sub, **data)
    payment = f"pay_{shop}_{rng.randrange(5)}"
    if rng.random() < 0.2:
        about = {"refund_id": f"ref_{payment}", "payment_id": payment}
        data = {"amount": rng.choice([100, 900]), "status": "succeeded"}
        return said("refund.succeeded", minute, webhook_id, **about, **data)
    word = rng.choice(["succeeded", "succeeded", "processing", "failed"])
    data = {"status": word, "total_amount": rng.choice([0, 900]), "currency": "USD"}
    data["created_at"] = text(NOON + timedelta(hours=rng.randrange(HOURS)))
    data["subscription_ids"] = rng.choice([[sub], [sub, f"sub_{shop}_never"], None])
    return said(f"payment.{word}", minute, webhook_id, payment_id=payment, **data)


def text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_followed_is_what_is_rebuilt_and_what_the_facts_add_up_to(
    database: str, seed: int
) -> None:
    told = deliveries(seed)
    for part in (told[:100], told[100:200], told[200:201], told[201:]):
        record(database, part)
        project(database)
    live = shown(database)
    assert rebuilt(database, check=True).equal
    known = list(aggregates(told).values())
    seen: Counter[str] = Counter()
    for hour in range(0, HOURS + 60, 17):
        instant = NOON + timedelta(hours=hour)
        found = open_at(database, instant)
        was = [one.at(as_of=instant) for one in known]
        assert {one for one in found if one[0] != "two_live"} == expected(known, was, instant)
        check_two_live([one for one in found if one[0] == "two_live"], was, instant)
        seen.update(code for code, *_ in found)
    assert set(seen) == {"two_live", "paid_unseen", "charged_after_end"}
    assert replayed(database) == live


def open_at(database: str, instant: datetime) -> list[tuple[str, str, str]]:
    with connected(database) as conn:
        return conn.execute(
            "SELECT code, id, objects -> 1 ->> 'id' FROM raphus.joint_anomalies"
            " WHERE span @> %s::timestamptz",
            [instant],
        ).fetchall()


def subscriptions(was: Sequence[Aggregate]) -> Iterator[SubscriptionEntity]:
    for one in was:
        for known in one.entities():
            if isinstance(known.entity, SubscriptionEntity):
                yield known.entity


def paid(was: Aggregate) -> PaymentEntity | None:
    """The payment of a stream, if it has succeeded and was not given back."""
    for known in was.entities():
        entity = known.entity
        if isinstance(entity, PaymentEntity) and entity.status == "succeeded":
            total = entity.total_amount
            return None if total is not None and 0 < total <= entity.refunded_amount else entity
    return None


def since(whole: Aggregate, holds: Any, instant: datetime) -> datetime:  # noqa: ANN401
    """Since when something has held of an aggregate, without a break, up to an instant."""
    begun = instant
    facts = {fact.occurred_at for folded in whole.folded().values() for fact in folded.facts}
    for at in sorted((at for at in facts if at <= instant), reverse=True):
        if not holds(whole.at(as_of=at)):
            break
        begun = at
    return begun


def expected(
    known: Sequence[Aggregate], was: Sequence[Aggregate], instant: datetime
) -> set[tuple[str, str, str]]:
    heard = {one.subscription_id: one for one in subscriptions(was)}
    wholes = {one.id: one for one in known}
    found = set()
    for one in was:
        payment = paid(one)
        for named in payment.subscription_ids if payment else ():
            assert payment is not None
            subscription = heard.get(named)
            begun = since(wholes[one.id], lambda was, named=named: names(was, named), instant)
            if subscription is None and begun + MISSING_AFTER <= instant:
                found.add(("paid_unseen", payment.payment_id, named))
            if subscription is not None and subscription.status in MACHINE.final:
                whole = wholes[f"subscription/bus_1/{named}"]
                ended_at = since(whole, has_ended, instant)
                created_at = began_at(wholes[one.id], named, instant)
                if created_at > ended_at and amount(wholes[one.id], named, instant) != 0:
                    found.add(("charged_after_end", payment.payment_id, named))
    return found


def names(was: Aggregate, subscription_id: str) -> bool:
    payment = paid(was)
    return payment is not None and subscription_id in payment.subscription_ids


def has_ended(was: Aggregate) -> bool:
    return any(one.status in MACHINE.final for one in subscriptions([was]))


def _opening(whole: Aggregate, named: str, instant: datetime) -> PaymentEntity:
    begun = since(whole, lambda was: names(was, named), instant)
    payment = paid(whole.at(as_of=begun))
    assert payment is not None
    return payment


def began_at(whole: Aggregate, named: str, instant: datetime) -> datetime:
    return _opening(whole, named, instant).created_at


def amount(whole: Aggregate, named: str, instant: datetime) -> int | None:
    return _opening(whole, named, instant).total_amount


def check_two_live(
    found: Sequence[tuple[str, str, str]], was: Sequence[Aggregate], instant: datetime
) -> None:
    """Of all that live together, each but the first is told of, beside another one of them."""
    live = defaultdict(set)
    for one in subscriptions(was):
        if counts_as_active(one.status, one.past_due_ends_at, instant):
            live[one.customer_id, one.product_id].add(one.subscription_id)
    of_all = {id_: together for together in live.values() for id_ in together}
    assert all({later, earlier} <= of_all[later] for _, later, earlier in found)
    assert all(later != earlier for _, later, earlier in found)
    told = Counter(id(of_all[later]) for _, later, _ in found)
    assert told == Counter({id(ids): len(ids) - 1 for ids in live.values() if len(ids) > 1})
    assert len({later for _, later, _ in found}) == len(found)


def regrouped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what the groups are about that are written anew."""
    noted: list[str] = []
    write = Regrouping.write

    def noting(regrouping: Regrouping, groups: AbstractSet[Group]) -> Sent:
        noted.extend(sorted(about for _, about in groups))
        return write(regrouping, groups)

    monkeypatch.setattr(Regrouping, "write", noting)
    return noted


def test_groups_are_written_where_a_row_changes_as_it_was_and_as_it_is(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = regrouped(monkeypatch)

    def told(word: str, minute: int, product: str) -> list[str]:
        data: dict[str, Any] = {"subscription_id": "sub_1", "product_id": product}
        data |= {"quantity": minute, "customer": {"customer_id": "cus_1"}}
        record(database, [said(f"subscription.{word}", minute, **data)])
        project(database)
        groups = [*noted]
        noted.clear()
        return groups

    one, other, third = (f"customer/cus_1/pdt_{number}" for number in (1, 2, 3))
    assert told("active", 0, "pdt_1") == [one, "subscription/sub_1"]
    assert told("updated", 1, "pdt_1") == []
    assert told("plan_changed", 2, "pdt_2") == [one, other]
    # A further body says which product it was.
    assert told("plan_changed", 2, "pdt_3") == [other, third]
    assert told("cancelled", 3, "pdt_3") == [third, "subscription/sub_1"]
    assert rebuilt(database, check=True).equal


def test_what_was_spoilt_is_rebuilt_with_what_it_follows_from(database: str) -> None:
    record(database, deliveries(3))
    project(database)
    before = shown(database)
    execute(database, "DELETE FROM raphus.joint_anomalies WHERE code = 'two_live'")
    execute(database, "UPDATE raphus.joint_anomalies SET amount = 1, customer_id = 'x'")
    execute(database, "DELETE FROM raphus.anomaly_spans WHERE code = 'live'")
    joint = [model for model in READ_MODELS if model.table == "joint_anomalies"]
    found = rebuild(database, joint, check=False, progress=ignore)
    differing = {difference.table for difference in found.differences if not difference.none}
    assert differing == TABLES
    assert shown(database) == before


def test_what_is_followed_while_it_is_rebuilt_is_in_its_groups(database: str) -> None:
    told = deliveries(4)
    record(database, told[:150])
    project(database)
    execute(database, "DELETE FROM raphus.joint_anomalies")
    left = told[150:]
    with Ledger(database) as ledger, following(database) as follower:

        def go_on(_phase: str, _done: int, _total: int) -> None:
            receipts(ledger.record([left.pop() for _ in range(min(20, len(left)))]))
            go_to_the_end(follower)

        rebuilt(database, go_on)
        go_to_the_end(follower)
    assert rebuilt(database, check=True).equal
    assert shown(database) == replayed(database)
