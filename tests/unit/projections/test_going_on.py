"""A fold that goes on from where it stood gives the rows, and jobs, that the whole fold gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.aggregates.catalogue import KINDS as KINDS_OF_THINGS
from domain.aggregates.catalogue import STREAMS
from domain.aggregates.factory import aggregate
from domain.going_on import base_of, decode, encode, goes_on, gone_on
from projections.read_models.catalogue import READ_MODELS
from simulator.merchant import Occurrence, merchant
from tests.support.histories import NOON, aggregates, delivery, missed, of_one, said, seen
from tests.support.strategies import deliveries, recorded
from workflows.outbox.due_facts import fallen_due, trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hypothesis.strategies import DrawFn

    from domain.aggregate import Aggregate, Base
    from domain.delivery import Delivery
    from domain.event import Event
    from projections.read_model import ReadModel, Row
    from workflows.outbox.due_facts import Due
    from workflows.trigger import Trigger

KINDS = [tuple(kind.name for kind in stream.kinds) for stream in STREAMS.values()]


class Tables:
    """The rows of one stream, by table and key, as they are written when events come."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[tuple[object, ...], Row]] = {}

    def write(self, stream: Aggregate, new: set[str]) -> None:
        """Write what events under these webhook-ids may have changed."""
        for model in READ_MODELS:
            if stream.id.partition("/")[0] in model.streams:
                own = self.rows.setdefault(model.table, {})
                written = {_key(model, row): row for row in model.touched(stream, new)}
                if model.loses(stream, new):
                    for key in [key for key, row in own.items() if _is_open(model, stream, row)]:
                        del own[key]
                own |= written


def _key(model: ReadModel, row: Row) -> tuple[object, ...]:
    return tuple(_values(model, row)[name] for name in model.key)


def _values(model: ReadModel, row: Row) -> dict[str, Any]:
    return dict(zip((column.name for column in model.columns), row, strict=True))


def _is_open(model: ReadModel, stream: Aggregate, row: Row) -> bool:
    return not model.began or bool(_values(model, row)[model.began] >= stream.begins_at)


def whole(stream: Aggregate) -> dict[str, dict[tuple[object, ...], Row]]:
    tables = Tables()
    tables.write(stream, {event.delivery.webhook_id for event in stream.events})
    return tables.rows


def follow(events: list[Event], page: Callable[[], int], drop: Callable[[], bool]) -> int:
    """Take events page by page as a follower does, and compare with the whole fold behind each.

    Returns how many pages went on from a base.
    """
    tables, held, taken, went_on = Tables(), None, 0, 0
    while taken < len(events):
        new = events[taken : taken + page()]
        taken += len(new)
        stream = _going_on(held, events[:taken], is_dropped=drop())
        went_on += stream.base is not None
        tables.write(stream, {event.delivery.webhook_id for event in new})
        from_nothing = aggregate(stream.id, events[:taken])
        assert tables.rows == whole(from_nothing)
        assert judged(stream, new) == judged(from_nothing, new)
        held = gone_on(stream, taken % 3 + 1) or stream
        if held.base is not None:
            assert goes_on(held)
            assert encode(held.base) == encode(_base(held, events[:taken]))
    return went_on


def judged(stream: Aggregate, new: list[Event]) -> tuple[list[Due], list[Trigger | None]]:
    """Return what falls due with the last events of a stream, and how each of them stands in it."""
    due = fallen_due(stream, (new[0].position or 0) - 1)
    triggers = [trigger(stream, one.delivery.webhook_id, one.position) for one in new]
    return list(due), triggers


def _base(held: Aggregate, known: list[Event]) -> Base:
    """Fold whole what the base stands for."""
    versions = {event.originator_version for event in held.events}
    return base_of(
        aggregate(held.id, [one for one in known if one.originator_version not in versions])
    )


def _going_on(held: Aggregate | None, known: list[Event], *, is_dropped: bool) -> Aggregate:
    stream_id = known[0].originator_id
    base = held.base if held else None
    if held and base and is_dropped:  # as after a restart: what is stored is all there is
        written = encode(base)
        base = None if written is None else decode(base.version, written)
    if held is None or base is None:
        return aggregate(stream_id, known)
    open_ = {event.originator_version for event in held.events}
    before = {event.originator_version for event in known[: held.version]} - open_
    behind = [event for event in known if event.originator_version not in before]
    stream = aggregate(stream_id, behind, base)
    told = {one.delivery.webhook_id for one in known if one.originator_version in before}
    told_again = any(event.delivery.webhook_id in told for event in behind)
    return aggregate(stream_id, known) if told_again or not goes_on(stream) else stream


@st.composite
def in_order(draw: DrawFn) -> list[Event]:
    """Draw a life of which most facts come in the order in which they occurred, and by themselves.

    Some come at the instant of the one before, or late, or as a further body.
    """
    kinds = draw(st.sampled_from(KINDS))
    arrivals = []
    minute = 0
    for number, one in enumerate(draw(st.lists(deliveries(kinds), min_size=3, max_size=12))):
        odd = draw(st.integers(0, 9))
        minute += draw(st.integers(1, 90)) if odd else 0
        at = NOON + timedelta(minutes=minute - (30 if odd == 1 else 0))
        body = msgspec.json.decode(one.body) | {"timestamp": at.isoformat()}
        if draw(st.booleans()):  # as of most entries of a ledger of credits
            body["data"]["created_at"] = at.isoformat()
        webhook_id = one.webhook_id if odd == 2 else f"{one.webhook_id}_{number}"
        encoded = msgspec.json.encode(body)
        arrivals.append(msgspec.structs.replace(one, webhook_id=webhook_id, body=encoded))
    return recorded(arrivals).events


@settings(deadline=None, max_examples=150)
@given(in_order(), st.randoms(use_true_random=False))
def test_a_life_followed_in_any_pages_has_the_rows_of_the_whole_fold(
    events: list[Event], random: Random
) -> None:
    follow(events, lambda: random.choice([1, 1, 2, 3]), lambda: random.random() < 0.5)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(KINDS).flatmap(lambda kinds: st.lists(deliveries(kinds), min_size=2)))
def test_so_has_one_that_comes_in_any_order(arrivals: list[Delivery]) -> None:
    follow(recorded(arrivals).events, lambda: 1, lambda: True)


def test_subscriptions_of_years_go_on_fact_by_fact() -> None:
    told = merchant(3, customers=6, until=datetime(2027, 11, 1, tzinfo=UTC))
    long = [one for one in _streams(told) if one.version > 10]
    assert long
    for stream in long:
        assert follow(stream.events, lambda: 1, lambda: True) > stream.version / 2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_whom_all_comes_in_any_order_the_rows_are_the_same(seed: int) -> None:
    order = Random(seed)
    told = list(merchant(seed, customers=6, until=datetime(2026, 12, 1, tzinfo=UTC)))
    order.shuffle(told)
    went_on = [follow(one.events, lambda: 1, lambda: True) for one in _streams(told)]
    assert any(went_on)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_ledger_goes_on_whatever_of_it_is_missing_or_told_beside(seed: int) -> None:
    order = Random(seed)
    told = [_of_account(number, order) for number in range(50)]
    for number in order.sample(range(49), 5):  # which come a little late
        told[number : number + 2] = reversed(told[number : number + 2])
    assert follow(of_one(*told).events, lambda: 1, lambda: True) > len(told) / 4


def _of_account(minute: int, order: Random) -> Delivery:
    """Tell of an account: an entry as a rule, a warning, or an entry of before, which is late."""
    account: dict[str, Any] = {"customer_id": "cus_1", "credit_entitlement_id": "cde_1"}
    kind = order.choice(["entry"] * 12 + ["warning"] * 4 + ["told again", "look", "timeless look"])
    if kind == "warning":
        balance = str(order.randrange(9) * 5)
        name = order.choice([None, None, f"Renders {minute}"])
        low: dict[str, Any] = {"available_balance": balance, "credit_entitlement_name": name}
        return said("credit.balance_low", minute, **account, **low)
    ahead = order.choice([0] * 9 + [2])  # by the clock of who made the entry
    number = minute + ahead if kind == "entry" else order.randrange(minute + 1)
    entry = _entry(number)
    if kind == "timeless look":
        entry["created_at"] = None
    if "look" in kind:
        return seen("credit", minute, **account, **entry, transaction_type="credit_added")
    return said("credit.added", minute, **account, **entry)


def _entry(number: int) -> dict[str, Any]:
    """Say of an entry, made in the minute of its number, what a body says of it."""
    return {
        "id": f"cdl_{number}",
        "created_at": (NOON + timedelta(minutes=number)).isoformat(),
        "amount": "5",
        "is_credit": True,
        "balance_before": str(number % 7 * 5),
        "balance_after": str((number + 1) % 7 * 5),
        "overage_before": "0",
        "overage_after": "0",
        "reference_type": "subscription",
        "reference_id": f"sub_{number}",
    }


def test_what_comes_between_an_entry_and_when_it_was_made_comes_late() -> None:
    account: dict[str, Any] = {"customer_id": "cus_1", "credit_entitlement_id": "cde_1"}
    minutes = {0: 0, 1: 4, 6: 6, 3: 3, 7: 7, 8: 8, 9: 9}
    told = [said("credit.added", at, **account, **_entry(made)) for at, made in minutes.items()]
    assert follow(of_one(*told).events, lambda: 1, lambda: True)


_LIVES: Final[Mapping[str, tuple[str, Mapping[str, Sequence[object]]]]] = {
    "payment": (
        "payment_id",
        {
            "status": ["failed", "processing", "succeeded"],
            "subscription_id": [None, None, None, "sub_1", "sub_2"],
            "total_amount": [900, 1000],
        },
    ),
    "dispute": (
        "dispute_id",
        {
            "status": [f"dispute_{word}" for word in ("opened", "challenged", "won", "lost")],
            "amount": [900, 1000],
        },
    ),
    "entitlement_grant": (
        "id",
        {"status": ["Pending", "Delivered", "Revoked"], "license_key": [None, None, {"id": "x"}]},
    ),
    "product": (
        "product_id",
        {
            "price_detail": [
                None,
                None,
                {"type": "recurring_price", "price": 900, "currency": "USD", "discount": 5},
                {"type": "one_time_price", "price": 700, "currency": "EUR"},
            ],
            "archived": [None, None, True, False],
            "brand_id": [None, "brand_1", "brand_2"],
        },
    ),
}
"""Of kinds that carry something of their own: what names a thing, and what bodies say of it."""


@pytest.mark.parametrize("kind", _LIVES)
def test_a_long_life_of_one_thing_goes_on(kind: str) -> None:
    order, (names, fields) = Random(7), _LIVES[kind]
    types = KINDS_OF_THINGS[kind].machine.types
    told = []
    for minute in range(24):
        data: dict[str, Any] = {names: "x_1", "currency": "USD"}
        data |= {name: order.choice(values) for name, values in fields.items()}
        if types and minute % 2:
            told.append(said(order.choice(types), minute, **data))
        else:
            spoken = {name: value for name, value in data.items() if value is not None}
            told.append(seen(kind, minute, **spoken))
    for number in order.sample(range(23), 4):  # which come a little late
        told[number : number + 2] = reversed(told[number : number + 2])
    assert follow(of_one(*told).events, lambda: 1, lambda: True) > len(told) / 2


def test_what_is_missing_for_long_is_missing_since_the_first_look() -> None:
    looks = [missed("subscription", minute, subscription_id="sub_1") for minute in range(1, 9)]
    life = of_one(said("subscription.active", subscription_id="sub_1"), *looks)
    assert follow(life.events, lambda: 1, lambda: True)


def _streams(told: Iterable[Occurrence]) -> list[Aggregate]:
    built = aggregates(delivery(one.body, one.webhook_id) for one in told)
    return [one for one in built.values() if one.id.partition("/")[0] in STREAMS]
