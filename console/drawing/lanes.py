"""A customer's life by lanes: what there is of each thing, and what happened to it."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from console.drawing.labels import counted, worded
from console.rendering.words import money
from domain.aggregates.catalogue import KINDS
from domain.state_machine import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from api.resources.lifecycle import Lifecycle, LifecycleEntry
    from domain.entity import Entity
    from projections.read_models.periods import Lasting

Shape: TypeAlias = Literal[
    "payment", "pending", "failure", "refund", "dispute", "change", "refused", "late", "gap"
]
SHAPES: Final[Mapping[Shape, str]] = {
    "payment": "paid",
    "pending": "payment under way",
    "failure": "payment failed",
    "refund": "refunded",
    "dispute": "disputed",
    "change": "plan changed",
    "refused": "refused fact",
    "late": "recorded late",
    "gap": "something before it was never seen",
}
"""The marks, each with what it says."""
GROUPS: Final[Mapping[str, str]] = {
    "subscription": "Subscriptions",
    "payment": "Bought once",
    "license_key": "Licence keys",
    "entitlement_grant": "Grants",
    "credit": "Credits",
    "dispute": "Disputes",
    "dunning": "Dunning",
    "abandoned_checkout": "Abandoned checkouts",
}
"""The kinds that have lanes, in their order; refunds are marks on the lane of their payment."""
BOUGHT_ONCE: Final = ("payment", "")
"""The lane of all payments that are for no subscription."""
_WITH_LANES: Final = GROUPS.keys() - {BOUGHT_ONCE[0]}
"""The kinds whose objects may have a lane of their own."""
_SETTLED: Final[Mapping[tuple[str, str], tuple[Shape, str]]] = {
    ("payment", "succeeded"): ("payment", "paid"),
    ("payment", "failed"): ("failure", "payment failed"),
    ("payment", "cancelled"): ("failure", "payment cancelled"),
    ("refund", "succeeded"): ("refund", "refunded"),
    ("refund", "failed"): ("failure", "refund failed"),
}

Named: TypeAlias = tuple[str, str]
"""A thing: its kind and its id."""


class Stay(NamedTuple):
    """For how long a thing was in one state; `end` is None where it still is."""

    status: str | None
    begin: datetime
    end: datetime | None


class Mark(NamedTuple):
    """Something that happened at an instant, to a thing; of what came late, `until` it did.

    Few of the many there may be are told in words, which are made then.
    """

    shape: Shape
    at: datetime
    word: str
    kind: str
    id: str
    until: datetime | None = None
    amount: tuple[int | None, str | None] = (None, None)
    """In minor units, and of which currency."""
    outcome: str = ""

    @property
    def text(self) -> str:
        """What it was."""
        told = f"{self.word} {money(*self.amount)}".rstrip()
        return f"{told}, {self.outcome}" if self.outcome else told


class Lane(NamedTuple):
    """One thing through time, or all payments for no subscription, which have no state together.

    `begins_in_gap` tells that something came before it that was never seen. `notes` are what is
    odd about it now.
    """

    kind: str
    id: str
    title: str
    status: str | None
    stays: tuple[Stay, ...]
    marks: tuple[Mark, ...]
    begins_in_gap: bool
    notes: tuple[str, ...]

    @property
    def began_at(self) -> datetime:
        """The first instant of the lane."""
        return min([stay.begin for stay in self.stays] + [mark.at for mark in self.marks])

    @property
    def moved_at(self) -> datetime:
        """The last instant at which something happened."""
        return max([stay.begin for stay in self.stays] + [mark.at for mark in self.marks])


def lanes_of(life: Lifecycle) -> list[Lane]:
    """Return the lanes of a customer, by kind, those of one kind as they began."""
    entities = dict(_entities(life))
    lasting: dict[Named, list[Lasting]] = defaultdict(list)
    for period in life.periods:
        lasting[period.kind, period.id].append(period)
    marks = _marks(life, lasting, _Hosts(lasting))
    wanted = [named for named in lasting if named[0] in _WITH_LANES]
    if marks[BOUGHT_ONCE]:
        wanted.append(BOUGHT_ONCE)
    lanes = [_lane(named, lasting[named], entities.get(named), marks[named]) for named in wanted]
    lanes = _told_apart(lanes)
    order = [*GROUPS]
    return sorted(lanes, key=lambda lane: (order.index(lane.kind), lane.began_at, lane.id))


def _told_apart(lanes: Sequence[Lane]) -> list[Lane]:
    """Add the ids to the titles that several lanes of one kind have."""
    same = Counter((lane.kind, lane.title) for lane in lanes)

    def title(lane: Lane) -> str:
        return f"{lane.title} ({lane.id})" if same[lane.kind, lane.title] > 1 else lane.title

    return [lane._replace(title=title(lane)) for lane in lanes]


class _Hosts:
    """On which lane each thing is told."""

    def __init__(self, lasting: Mapping[Named, Sequence[Lasting]]) -> None:
        self._lasting = lasting

    def of(self, kind: str, id_: str) -> Named:
        """Return the lane of a thing; a refund's is its payment's."""
        if kind == "payment":
            return self._of_payment(id_)
        last = self._lasting.get((kind, id_), ())
        if kind == "refund":
            return self._of_payment(last[-1].payment_id if last else None)
        return kind, id_

    def of_payment_of(self, dispute: Lasting) -> Named:
        """Return the lane of what a dispute is about."""
        return self._of_payment(dispute.payment_id)

    def _of_payment(self, payment_id: str | None) -> Named:
        last = self._lasting.get(("payment", payment_id or ""), ())
        host = ("subscription", last[-1].subscription_id or "") if last else BOUGHT_ONCE
        return host if host in self._lasting else BOUGHT_ONCE


def _entities(life: Lifecycle) -> Iterator[tuple[Named, Entity]]:
    for kind in _WITH_LANES:
        for one in getattr(life, f"{kind}s"):
            yield (kind, getattr(one, KINDS[kind].id_field)), one


def _lane(
    named: Named, periods: Sequence[Lasting], entity: Entity | None, marks: Sequence[Mark]
) -> Lane:
    stays = _stays(periods)
    return Lane(
        kind=named[0],
        id=named[1],
        title=_title(named, periods, entity),
        status=stays[-1].status if stays else None,
        stays=stays,
        marks=tuple(sorted(marks, key=lambda mark: (mark.at, mark.kind, mark.id))),
        begins_in_gap=entity is not None and entity.history == "partial",
        notes=tuple(_notes(entity)) if entity is not None else (),
    )


def _stays(periods: Sequence[Lasting]) -> tuple[Stay, ...]:
    """Join the periods that follow upon one another in the same state."""
    stays: list[Stay] = []
    for one in periods:
        last = stays[-1] if stays else None
        if last is not None and (last.status, last.end) == (one.status, one.valid_from):
            stays[-1] = last._replace(end=one.valid_to)
        else:
            stays.append(Stay(one.status, one.valid_from, one.valid_to))
    return tuple(stays)


def _title(named: Named, periods: Sequence[Lasting], entity: Entity | None) -> str:
    kind, id_ = named
    if named == BOUGHT_ONCE:
        return "Payments for no subscription"
    if kind == "dispute":
        amount = money(periods[-1].amount, periods[-1].currency)
        return f"{amount} of {periods[-1].payment_id or 'an unknown payment'}".strip()
    if kind == "dunning":
        return f"of {periods[-1].subscription_id or id_}"
    if kind == "entitlement_grant":
        return worded(getattr(entity, "integration_type", None) or id_)
    named_by = ("product_name", "credit_entitlement_name", "product_id")
    known: list[Any] = [getattr(entity, name, None) for name in named_by]
    known += periods[-1].product_ids
    return str(next(filter(None, known), id_))


def _notes(entity: Entity) -> Iterator[str]:
    if entity.history == "partial":
        yield "history partial"
    if entity.drift is not None:
        yield f"drift: facts say {worded(entity.folded_status)}"
    if entity.refused > entity.settled:
        yield f"{entity.refused} refused"
    if entity.missing_since is not None:
        yield "missing at Dodo"


def _marks(
    life: Lifecycle, lasting: Mapping[Named, Sequence[Lasting]], hosts: _Hosts
) -> dict[Named, list[Mark]]:
    """Return the marks of each lane."""
    marks: dict[Named, list[Mark]] = defaultdict(list)
    for (kind, id_), periods in lasting.items():
        if kind in {"payment", "refund"}:
            marks[hosts.of(kind, id_)] += _of_money(periods)
        elif kind == "dispute":
            marks[hosts.of_payment_of(periods[0])].append(_opened(periods))
        elif kind == "subscription":
            marks[kind, id_] += _changes(periods)
    for entry in life.notable:
        host = hosts.of(entry.kind, entry.id)
        if host in lasting or host == BOUGHT_ONCE:
            marks[host] += _notable(entry)
    return marks


def _of_money(periods: Sequence[Lasting]) -> Iterator[Mark]:
    """Tell what became of a payment, or of a refund, each time that it became something."""
    status = None
    for one in periods:
        settled = _SETTLED.get((one.kind, one.status or ""))
        if settled is not None and one.status != status:
            yield _of_amount(*settled, one)
        status = one.status
    last = periods[-1]
    if last.kind == "payment" and last.status == "processing":
        yield _of_amount("pending", "payment under way", last)


def _opened(periods: Sequence[Lasting]) -> Mark:
    mark = _of_amount("dispute", "disputed", periods[-1])
    return mark._replace(at=periods[0].valid_from, outcome=worded(periods[-1].status))


def _of_amount(shape: Shape, word: str, period: Lasting) -> Mark:
    amount = period.amount, period.currency
    return Mark(shape, period.valid_from, word, period.kind, period.id, amount=amount)


def _changes(periods: Sequence[Lasting]) -> Iterator[Mark]:
    """Tell where a subscription was for something else, or something else was paid for it."""
    for before, after in pairwise(periods):
        was, now = _plan(before), _plan(after)
        if was != now and all(value is not None for value in (before.amount, after.amount)):
            price = f"{_priced(before)} → {_priced(after)}"
            text = f"plan changed, {price}" if was[0] != now[0] else f"price changed, {price}"
            yield Mark("change", after.valid_from, text, after.kind, after.id)


def _plan(period: Lasting) -> tuple[object, ...]:
    return period.product_ids, period.amount, period.currency, period.quantity


def _priced(period: Lasting) -> str:
    return money(period.amount, period.currency) or "no price"


def _notable(entry: LifecycleEntry) -> Iterator[Mark]:
    at = entry.occurred_at
    if at is None:
        return
    told = entry.kind, entry.id
    if entry.verdict in (Verdict.REFUSED, Verdict.ANOMALY):
        yield Mark("refused", at, f"{entry.type} {entry.verdict}", *told)
    if entry.gap:
        yield Mark("gap", at, f"{entry.type}: something before it was never seen", *told)
    if entry.late_s is not None:
        text = f"{entry.type} recorded {_late(entry.late_s)} late"
        yield Mark("late", at, text, *told, until=entry.recorded_at)


def _late(seconds: int) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            return counted(seconds // size, unit)
    return counted(seconds, "second")


def instants(lanes: Iterable[Lane]) -> Iterator[datetime]:
    """Give all instants of lanes."""
    for lane in lanes:
        for stay in lane.stays:
            yield stay.begin
            if stay.end is not None:
                yield stay.end
        for mark in lane.marks:
            yield mark.at
