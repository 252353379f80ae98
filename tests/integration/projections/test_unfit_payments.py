"""Payments that do not fit: followed or rebuilt, they are what `domain.prices` says of each."""

from __future__ import annotations

import random
from collections import defaultdict
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from domain.aggregates.payment import PaymentEntity
from domain.anomalies import span
from domain.anomalies.unfit import GivenBack, unfit
from domain.periods import periods
from domain.prices import Charge, judge
from domain.stream_id import stream_id
from ledger.application import Ledger
from postgres.connections import FOLLOWING, connect
from postgres.together import together
from projections.live.projector import LIVE
from projections.read_models.unfit_payments import UNFIT_PAYMENTS
from tests.support.connected import connected
from tests.support.histories import NOON, aggregates, look_of, said, seen
from tests.support.projected import following, go_to_the_end, project, record, shown
from tests.support.rebuilds import rebuilt, replayed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from domain.aggregate import Aggregate
    from domain.delivery import Delivery
    from domain.periods import Period
    from postgres.connections import Connection

HOUR = 60
DAYS = 90
SUBSCRIPTIONS = 12
LOOKS = 24
RENEWALS = 400
_READ = """
    SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables
    WHERE schemaname = 'raphus' AND relname = 'payments'
"""


def deliveries(seed: int) -> list[Delivery]:
    """Let few subscriptions change often, and be charged what fits and what does not.

    Webhooks arrive in any order, looks in theirs.
    """
    rng = random.Random(seed)
    made = [_delivery(rng, f"{n}", f"msg_{n}_{k}") for n in range(SUBSCRIPTIONS) for k in range(22)]
    rng.shuffle(made)
    for minute in sorted(rng.sample(range(DAYS * 24 * HOUR), LOOKS), reverse=True):
        place = minute * len(made) // (DAYS * 24 * HOUR)
        made.insert(place, _look(rng, minute, f"raphus_look_{minute}"))
    return made


def _delivery(rng: random.Random, of: str, webhook_id: str) -> Delivery:
    minute = rng.randrange(DAYS * 24 * 2) * 30
    amount, currency = rng.choice([1000, 1000, 2000]), rng.choice(["USD", "USD", "USD", "EUR"])
    if rng.random() < 0.3:
        data: dict[str, Any] = {
            "subscription_id": f"sub_{of}",
            "status": "active",
            "product_id": "pdt_0",
            "recurring_pre_tax_amount": amount,
            "currency": currency,
            "quantity": rng.choice([1, 1, 1, 1, 1, 2, None]),
            "tax_inclusive": rng.choice([False, False, True, None]),
            "trial_period_days": rng.choice([0, 0, 0, 7]),
            "payment_frequency_interval": "Month",
            "addons": rng.choice([[], [], [], [{"addon_id": "adn_1"}]]),
        }
        word = rng.choice(["active", "updated", "renewed", "on_hold"])
        if word == "on_hold":
            data["status"] = word
        return said(f"subscription.{word}", minute, webhook_id, **data)
    payment_id = f"pay_{of}_{rng.randrange(12)}"
    if rng.random() < 0.2:
        about = {"refund_id": f"ref_{webhook_id}", "payment_id": payment_id}
        data = {"amount": rng.choice([100, 1000, 2000]), "status": "succeeded", "currency": "USD"}
        return said("refund.succeeded", minute, webhook_id, **about, **data)
    total = rng.choice([amount, amount, amount + 100, amount + 200, 2 * amount])
    data = {
        "payment_id": payment_id,
        "status": "succeeded",
        "currency": currency,
        "total_amount": total,
        "tax": rng.choice([None, 0, 100]),
        "settlement_amount": total,
        "includes_usage": rng.choice([False, False, False, None]),
    }
    if rng.random() < 0.7:
        data |= {"subscription_id": f"sub_{of}", "charge_type": rng.choice(["new", "renewal"])}
    else:
        lines = rng.choices(["pdt_0", "pdt_1", "pdt_never"], [1, 8, 1], k=rng.choice([1, 1, 2]))
        data["product_cart"] = [
            {"product_id": one, "quantity": rng.choice([1, 1, 2, None])} for one in lines
        ]
    return said("payment.succeeded", minute, webhook_id, **data)


def _look(rng: random.Random, minute: int, look_id: str) -> Delivery:
    product = rng.randrange(2)
    price: dict[str, Any] = {
        "type": ("recurring_price", "one_time_price")[product],
        "price": rng.choice([1000, 1000, 1100]),
        "currency": "USD",
        "tax_inclusive": rng.random() < 0.2,
        "pay_what_you_want": rng.random() < 0.1,
        "payment_frequency_interval": ("Month", None)[product],
    }
    data: dict[str, Any] = {"product_id": f"pdt_{product}", "name": "Pro", "price_detail": price}
    data["pricing_mode"] = "by_country" if rng.random() < 0.1 else None
    return seen("product", minute, look_id, **data)


def tell(database: str, told: Sequence[Delivery]) -> None:
    """Record webhooks as such, and looks as they are made; follow them."""
    webhooks = [one for one in told if one.webhook_signature]
    record(database, webhooks)
    with Ledger(database) as ledger:
        for one in told:
            if not one.webhook_signature:
                ledger.observe([look_of(one.body)])
    project(database)


def tell_one_by_one(database: str, told: Sequence[Delivery]) -> None:
    """Do the same, with a page for each."""
    with Ledger(database) as ledger, following(database) as follower:
        for one in told:
            if one.webhook_signature:
                ledger.record([one])
            else:
                ledger.observe([look_of(one.body)])
            go_to_the_end(follower)


@pytest.mark.parametrize(("seed", "one_by_one"), [(3, False), (16, False), (16, True)])
def test_what_is_followed_is_what_is_rebuilt_and_what_the_rules_say_of_each_payment(
    database: str, seed: int, *, one_by_one: bool
) -> None:
    told = deliveries(seed)
    if one_by_one:
        tell_one_by_one(database, told)
    else:
        for part in (told[:150], told[150:250], told[250:251], told[251:]):
            tell(database, part)
    live = shown(database)
    assert rebuilt(database, check=True).equal
    wanted = expected(list(aggregates(told).values()))
    assert found(database) == wanted
    assert {rule for *_, rule in wanted} == {"amount", "currency", "price", "cart"}
    assert replayed(database) == live


def test_who_pays_too_much_is_found_in_a_page_of_its_own_whatever_the_type_of_charge(
    database: str,
) -> None:
    agreed: dict[str, Any] = {
        "subscription_id": "sub_1",
        "status": "active",
        "product_id": "pdt_0",
        "recurring_pre_tax_amount": 1000,
        "currency": "USD",
        "quantity": 1,
        "tax_inclusive": False,
        "trial_period_days": 0,
        "payment_frequency_interval": "Month",
    }
    price = {"type": "one_time_price", "price": 1000, "currency": "USD", "tax_inclusive": False}
    told = [
        seen("product", 0, product_id="pdt_1", name="Pro", price_detail=price),
        said("subscription.active", 1, **agreed),
        charged("new", 2, subscription_id="sub_1", charge_type="new"),
        charged("renewal", 3, subscription_id="sub_1", charge_type="renewal"),
        charged("once", 4, product_cart=[{"product_id": "pdt_1", "quantity": 1}]),
        charged("other", 5, subscription_id="sub_1", charge_type="plan_change"),
    ]
    tell_one_by_one(database, told)
    wanted = expected(list(aggregates(told).values()))
    assert found(database) == wanted
    assert {payment_id for payment_id, *_ in wanted} == {"new", "renewal", "once"}


def charged(payment_id: str, minute: int, **charge: object) -> Delivery:
    return said(
        "payment.succeeded",
        minute,
        f"msg_{payment_id}",
        payment_id=payment_id,
        status="succeeded",
        currency="USD",
        total_amount=2000,
        tax=0,
        settlement_amount=2000,
        includes_usage=False,
        **charge,
    )


def renewals(subscription_id: str, number: int) -> list[Delivery]:
    return [
        said(
            "payment.succeeded",
            n,
            payment_id=f"pay_{subscription_id}_{n}",
            subscription_id=subscription_id,
            charge_type="renewal",
            total_amount=1000,
            currency="USD",
        )
        for n in range(number)
    ]


def read_to_find(conn: Connection, payment_ids: Sequence[str]) -> int:
    """Return how many payments are read to find out which of some may not fit: none does."""
    assert UNFIT_PAYMENTS.derived is not None
    touched = {
        stream_id("payment", "bus_1", payment_id): NOON + n * timedelta(minutes=1)
        for n, payment_id in enumerate(payment_ids)
    }
    affected = UNFIT_PAYMENTS.derived.affected(LIVE, touched, lambda _: ())
    assert affected is not None
    with conn.transaction():
        assert together(conn, [affected]) == [[]]
        ((read,),) = conn.execute(_READ).fetchall()
    return int(read)


def test_of_many_renewals_each_is_read_once_and_not_for_each_before_it(database: str) -> None:
    record(database, renewals("sub_1", RENEWALS))
    project(database)
    with closing(connect(database, FOLLOWING, "test")) as conn:
        read = read_to_find(conn, [f"pay_sub_1_{n}" for n in range(RENEWALS)])
    assert RENEWALS <= read <= 10 * RENEWALS


def test_a_plan_of_when_there_were_no_payments_reads_those_of_whom_it_is_asked(
    database: str,
) -> None:
    with closing(connect(database, FOLLOWING, "test")) as conn:
        conn.execute("ALTER TABLE raphus.payments SET (autovacuum_enabled = false)")
        assert read_to_find(conn, ["pay_sub_1_0"]) == 0
        record(database, [*renewals("sub_1", RENEWALS), *renewals("sub_2", 5)])
        project(database)
        assert 5 <= read_to_find(conn, [f"pay_sub_2_{n}" for n in range(5)]) <= 50


def found(database: str) -> set[tuple[object, ...]]:
    with connected(database) as conn:
        return set(
            conn.execute(
                "SELECT id, opened_at, settled_at, amount, evidence #>> '{0,fields,measured_by}'"
                " FROM raphus.unfit_payments"
            )
        )


def expected(known: Sequence[Aggregate]) -> set[tuple[object, ...]]:
    """Judge every payment by all that there is, looked for in the simplest way."""
    every = [period for each in known for period in periods(each)]
    payments = {
        one.entity.payment_id: (each, one.entity)
        for each in known
        for one in each.entities()
        if isinstance(one.entity, PaymentEntity)
    }
    wanted: set[tuple[object, ...]] = set()
    for stream, payment in payments.values():
        charge = Charge(
            payment,
            [
                one
                for one in every
                if (one.kind, one.id) == ("subscription", payment.subscription_id)
            ],
            _by_id(one for one in every if one.kind == "product"),
            _before(payment, [one for _, one in payments.values()]),
        )
        succeeded = [
            one for one in stream.timeline() if one.kind == "payment" and one.to == "succeeded"
        ]
        if not succeeded or succeeded[0].occurred_at is None:
            continue
        paid = span.Testimony("payment", payment.payment_id, "", "", succeeded[0].occurred_at, {})
        back = [
            GivenBack(one.valid_from, one.amount)
            for one in every
            if (one.kind, one.payment_id) == ("refund", payment.payment_id)
            and one.valid_to is None
            and one.status == "succeeded"
            and one.currency == payment.currency
            and one.amount is not None
        ]
        found = unfit(charge, paid, back)
        if found is not None:
            of = found.opened_at, found.settled_at, found.amount
            wanted.add((payment.payment_id, *of, judge(charge).rule))
    return wanted


def _by_id(prices: Iterable[Period]) -> dict[str, list[Period]]:
    of: dict[str, list[Period]] = defaultdict(list)
    for one in prices:
        of[one.id].append(one)
    return of


def _before(payment: PaymentEntity, payments: Sequence[PaymentEntity]) -> str | None:
    earlier = [
        one
        for one in payments
        if (one.subscription_id, one.charge_type) == (payment.subscription_id, "renewal")
        and one.status == "succeeded"
        and (one.created_at, one.payment_id) < (payment.created_at, payment.payment_id)
    ]
    last = max(earlier, key=lambda one: (one.created_at, one.payment_id), default=None)
    return last.currency if last else None
