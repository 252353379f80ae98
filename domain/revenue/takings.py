"""What payments, refunds and disputes bring and take, each from when on it counts."""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import msgspec

from domain.field_readers import INT64_MAX, integer
from domain.periods import periods
from domain.revenue.price import rounded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from domain.aggregate import Aggregate
    from domain.payload import Payload
    from domain.periods import Period
    from domain.timeline import Folded

Kind: TypeAlias = Literal[
    "payment", "failed_payment", "refund", "dispute_opened", "dispute_won", "dispute_lost"
]
KINDS: Final[tuple[Kind, ...]] = (
    "payment",
    "failed_payment",
    "refund",
    "dispute_opened",
    "dispute_won",
    "dispute_lost",
)
_LOST: Final = ("lost", "accepted")
"""How a dispute ends in which the customer gets the money: docs/dodo.md, section 4."""
_UNDER_WAY: Final = ("opened", "challenged")
_ONCE: Final = ("failed", "succeeded", *_UNDER_WAY)
"""The statuses that count the first time alone."""


class Taking(msgspec.Struct, frozen=True, gc=False):
    """A payment, a refund, or what a dispute came to, which counts from `at` on.

    `amount` is in minor units of `currency`; of it, `gross` is in the settlement currency, with
    `tax` in it. Both are null where that is not known; those of a dispute are its payment's share,
    and follow from that. `net_sign` tells whether gross without tax is brought (1) or taken (-1);
    0 where no money moves.
    """

    kind: Kind
    id: str
    ordinal: int
    business_id: str
    at: datetime
    customer_id: str | None
    payment_id: str | None
    subscription_id: str | None
    currency: str | None
    amount: int | None
    settlement_currency: str | None
    gross: int | None
    tax: int | None
    net_sign: int


class _Settled(NamedTuple):
    """What a payment came to where it is settled."""

    at: datetime
    currency: str | None
    amount: int | None
    settlement_currency: str | None
    gross: int | None
    tax: int | None


class TakingsBefore(msgspec.Struct, frozen=True):
    """What the first events of a stream have brought and taken: so many as `count` says.

    `been` are the statuses in which the thing has been, of those that count the first time alone;
    `is_lost` tells that a dispute has taken the money.
    """

    been: tuple[str, ...] = ()
    is_lost: bool = False
    count: int = 0


def takings_up_to(aggregate: Aggregate) -> TakingsBefore:
    """Return what is carried of a stream that is about one thing."""
    before, told = _before(aggregate), takings(aggregate)
    statuses = {one.status for one in periods(aggregate)}
    been = tuple(status for status in _ONCE if status in before.been or status in statuses)
    newest = next((one.kind for one in reversed(told) if one.kind != "dispute_opened"), None)
    is_lost = before.is_lost if newest is None else newest == "dispute_lost"
    return TakingsBefore(been, is_lost, before.count + len(told))


def _before(aggregate: Aggregate) -> TakingsBefore:
    return aggregate.carried(TakingsBefore) or TakingsBefore()


def takings(aggregate: Aggregate) -> list[Taking]:
    """Return what an aggregate brings and takes, in order.

    What is told up to an instant follows from the facts up to it. Where the aggregate goes on from
    a base, what was told there is left out.
    """
    return aggregate.once(_takings)


def _takings(aggregate: Aggregate) -> list[Taking]:
    kinds = {kind.name for kind in aggregate.kinds}
    before = _before(aggregate)
    if "dispute" in kinds:
        known = int(aggregate.base is not None)  # the period that was open there
        by_id = _by_id(aggregate, "dispute")
        return [one for own in by_id for one in _of_dispute(own, known, before)]
    if "payment" not in kinds:
        return []
    found: list[Taking] = []
    settled: _Settled | None = None
    for own in _by_id(aggregate, "payment"):
        folded = aggregate.folded()["payment", own[0].id]
        told, settled = _of_payment(own, folded, before)
        found += told
    refunds = [] if "succeeded" in before.been else [*_by_id(aggregate, "refund")]
    return found + _of_refunds(refunds, settled)


def _by_id(aggregate: Aggregate, kind: str) -> Iterator[list[Period]]:
    own = [one for one in periods(aggregate) if one.kind == kind]
    for _, group in groupby(own, key=attrgetter("id")):
        yield [*group]


def _of_payment(
    own: Sequence[Period], folded: Folded, before: TakingsBefore
) -> tuple[list[Taking], _Settled | None]:
    told: list[Taking] = []
    settled: _Settled | None = None
    kinds: tuple[tuple[str, Kind], ...] = (("failed", "failed_payment"), ("succeeded", "payment"))
    for status, kind in kinds:
        began = next((one for one in own if one.status == status), None)
        if began is None or status in before.been:
            continue
        says = _settled(began, folded)
        if kind == "payment":
            settled = says
        if 0 in {says.amount, says.gross}:
            continue  # charges of nothing: of a trial, or to take another payment method
        told.append(_taking(kind, began, says, int(kind == "payment")))
    return told, settled


def _settled(period: Period, folded: Folded) -> _Settled:
    said = _said_by(folded, period.valid_from)
    currency: str | None = getattr(said, "settlement_currency", None)
    gross, tax = (
        integer(getattr(said, name, None)) for name in ("settlement_amount", "settlement_tax")
    )
    is_settled = currency is not None and gross is not None
    return _Settled(
        period.valid_from,
        period.currency,
        period.amount,
        currency if is_settled else None,
        gross if is_settled else None,
        (tax or 0) if is_settled else None,
    )


def _said_by(folded: Folded, at: datetime) -> Payload:
    """Return the newest that was said of a thing by an instant at which it was there."""
    payload = folded.observations[0].payload
    for fact, _, _, observations in folded.steps():
        if fact.occurred_at > at:
            break
        payload = observations[-1].payload if observations else payload
    return payload


def _of_refunds(refunds: Sequence[Sequence[Period]], settled: _Settled | None) -> list[Taking]:
    """Share the settled amount out to refunds, so that full ones come to all of it exactly."""
    began = [one for own in refunds for one in own if one.status == "succeeded"]
    firsts = {one.id: one for one in reversed(began)}
    told: list[Taking] = []
    given_back = gross_back = tax_back = 0
    for one in sorted(firsts.values(), key=lambda one: (one.valid_from, one.id)):
        says = _Settled(one.valid_from, one.currency, one.amount, None, None, None)
        if settled and _is_part(one, settled):
            given_back += one.amount or 0
            whole = settled.amount or 1
            gross = rounded((settled.gross or 0) * given_back, whole)
            tax = rounded((settled.tax or 0) * given_back, whole)
            if max(abs(gross), abs(tax)) <= INT64_MAX // 2:
                says = says._replace(
                    settlement_currency=settled.settlement_currency,
                    gross=gross - gross_back,
                    tax=tax - tax_back,
                )
                gross_back, tax_back = gross, tax
        told.append(_taking("refund", one, says, -1))
    return told


def _is_part(refund: Period, settled: _Settled) -> bool:
    """Tell whether a refund is a part of what its payment had come to by then."""
    return (
        refund.amount is not None
        and refund.amount >= 0
        and (refund.currency or settled.currency) == settled.currency
        and bool(settled.amount and settled.amount > 0)
        and settled.gross is not None
        and settled.at <= refund.valid_from
    )


def _of_dispute(own: Sequence[Period], known: int, carried: TakingsBefore) -> Iterator[Taking]:
    """Tell when it is opened for the first time, and each time it takes or brings the money.

    So many of its periods are `known`, of which that is told.
    """
    lost, opened = carried.is_lost, any(status in carried.been for status in _UNDER_WAY)
    before = own[known - 1].status if known else None
    ordinal = carried.count
    for one in own[known:]:
        kind: Kind | None = None
        sign = 0
        if one.status in _LOST and not lost:
            kind, sign, lost = "dispute_lost", -1, True
        elif one.status == "won" and before != "won":
            kind, sign, lost = "dispute_won", int(lost), False
        elif one.status in _UNDER_WAY and not opened:
            kind, opened = "dispute_opened", True
        before = one.status
        if kind is not None:
            says = _Settled(one.valid_from, one.currency, one.amount, None, None, None)
            yield msgspec.structs.replace(_taking(kind, one, says, sign), ordinal=ordinal)
            ordinal += 1


def _taking(kind: Kind, period: Period, says: _Settled, net_sign: int) -> Taking:
    return Taking(
        kind=kind,
        id=period.id,
        ordinal=0,
        business_id=period.business_id,
        at=says.at,
        customer_id=period.customer_id,
        payment_id=period.id if period.kind == "payment" else period.payment_id,
        subscription_id=period.subscription_id,
        currency=says.currency,
        amount=says.amount,
        settlement_currency=says.settlement_currency,
        gross=says.gross,
        tax=says.tax,
        net_sign=net_sign,
    )
