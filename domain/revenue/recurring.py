"""When a subscription begins to earn more or less a month, and how its customer's MRR moves."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import blake2s
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from domain.aggregates.subscription import SUBSCRIPTION, counts_as_active
from domain.periods import periods
from domain.revenue.price import NOTHING, Recurring, recurring
from domain.timeline import is_valid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from domain.aggregate import Aggregate
    from domain.periods import Period
    from domain.timeline import Folded

Kind: TypeAlias = Literal["new", "expansion", "contraction", "churn", "reactivation"]
# Source: help.chartmogul.com, "MRR movements" (201244842, 203299912); see docs/revenue.md.
KINDS: Final[tuple[Kind, ...]] = ("new", "expansion", "contraction", "churn", "reactivation")
"""The movements of MRR: each change of it is one of these."""
Uncounted: TypeAlias = Literal["trial", "on_demand", "unpriced", "free"]
"""Why an active subscription earns nothing; `unpriced` where its price cannot be understood."""
_BOOK_BYTES: Final = 16


class RecurringChange(msgspec.Struct, frozen=True, gc=False):
    """What a subscription earns from `at` on, and what that changes.

    It stands so until `until`, the next change; None is for good. Amounts are in minor units of
    `currency`, a month and a year. `book` names the customer's account in one currency, in which
    movements are told: the customer of a business, or the subscription where none is known.

    Where a subscription goes to another product or book, two changes have one instant: that
    which `leaves` the old one, and what enters the new one. `monthly_change` is what changes for
    the product, `total_change` what changes in the book at that instant, told by the last of its
    changes and 0 in the other. `kind` is how the book moves if nothing else is in it, and `began`
    when it was new, if it has been. The other changes are +1, 0 or -1. What every report adds up
    comes first, where it is read quickest.
    """

    book: str
    at: datetime
    total_change: int
    monthly_change: int
    yearly_change: int
    active_change: int
    paying_change: int
    trial_change: int
    leaves: bool
    converted: bool
    kind: str | None
    currency: str | None
    product_id: str | None
    business_id: str
    monthly: int
    yearly: int
    uncounted: str | None
    first_position: int
    until: datetime | None
    customer_id: str | None
    subscription_id: str
    began: datetime | None


class _State(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What counts of a subscription: where it is told, and what it earns there."""

    customer_id: str | None
    currency: str | None
    product_id: str | None
    earns: Recurring
    uncounted: Uncounted | None

    @property
    def place(self) -> tuple[str | None, str | None]:
        return self.customer_id, self.currency


class RecurringBefore(msgspec.Struct, frozen=True):
    """What is carried of what a subscription earns, up to the period that is open.

    `paid_from` tells when it is out of its trial. Before the open period it stood at `state`, its
    last changes were `last`, and these books had `begun`, each at its instant.
    """

    paid_from: datetime | None = None
    state: _State | None = None
    last: tuple[RecurringChange, ...] = ()
    begun: tuple[tuple[str, datetime], ...] = ()


def recurring_changes(aggregate: Aggregate) -> list[RecurringChange]:
    """Return the changes of what a subscription earns, in order.

    Those up to an instant are what the facts up to it add up to. The end of a grace may lie in
    the future; a fact that comes before it takes it away. Where the aggregate goes on from a base,
    the first are the last ones before the period that was open there.
    """
    found: list[RecurringChange] = []
    for before, own in _subscriptions(aggregate):
        found += _changes(own, before, _named(own))[0]
    return found


def recurring_up_to(aggregate: Aggregate) -> RecurringBefore:
    """Return what is carried of a subscription's stream."""
    ((before, own),) = _subscriptions(aggregate)
    changes, state, begun = _changes(own[:-1], before, _named(own))
    last = tuple(one for one in changes if one.at == changes[-1].at)
    return RecurringBefore(before.paid_from, state, last, begun)


def _subscriptions(aggregate: Aggregate) -> Iterator[tuple[RecurringBefore, list[Period]]]:
    """Give each subscription's periods, with what was before them and when it is paid from."""
    before = aggregate.carried(RecurringBefore) or RecurringBefore()
    for (name, entity_id), folded in aggregate.folded().items():
        if name == SUBSCRIPTION.name:
            own = [one for one in periods(aggregate) if one.id == entity_id]
            paid_from = before.paid_from or _paid_from(own, folded)
            yield msgspec.structs.replace(before, paid_from=paid_from), own


def _named(own: Sequence[Period]) -> tuple[str, str, int]:
    return own[0].id, own[0].business_id, own[0].first_position


def _paid_from(own: Sequence[Period], folded: Folded) -> datetime | None:
    """Return when a subscription is out of its trial; None while nothing tells that.

    A renewal after the beginning is the charge that ends a trial: docs/dodo.md, section 4. Who
    was first seen when the trial was over has been charged before.
    """
    began, first = folded.first_at, own[0]
    if not folded.before and _is_without_trial(first, began):
        return began
    for fact, entry in zip(folded.facts, folded.entries, strict=True):
        if fact.word == "renewed" and is_valid(entry) and fact.occurred_at > began:
            return fact.occurred_at
    return None


def _is_without_trial(first: Period, began: datetime) -> bool:
    if not first.trial_period_days or first.trial_period_days < 0:
        return True
    try:
        return first.created_at + timedelta(days=first.trial_period_days) <= began
    except OverflowError:
        return False


def _changes(
    own: Sequence[Period], before: RecurringBefore, named: tuple[str, str, int]
) -> tuple[list[RecurringChange], _State | None, tuple[tuple[str, datetime], ...]]:
    """Return the changes, what it stands at behind them, and when books have begun by then."""
    states: list[tuple[datetime, _State | None]] = []
    state = before.state
    for at, after in _states(own, before.paid_from):
        if after != state:
            states.append((at, after))
            state = after
    until = [*(at for at, _ in states), None]
    # What is open may have been heard of before what is carried.
    first = named[2]
    changes = [
        msgspec.structs.replace(one, until=until[0], first_position=first) for one in before.last
    ]
    begun = dict(before.begun)
    state = before.state
    for (at, after), end in zip(states, until[1:], strict=True):
        changes += _steps(named, (at, end), state, after, begun)
        state = after
    return changes, state, tuple(sorted(begun.items()))


def _states(
    own: Sequence[Period], paid_from: datetime | None
) -> Iterator[tuple[datetime, _State | None]]:
    """Give what counts from which instant on; None while the subscription is not active."""
    for period in own:
        cuts = {period.valid_from}
        for cut in (paid_from, period.past_due_ends_at):
            if cut and period.valid_from < cut and (not period.valid_to or cut < period.valid_to):
                cuts.add(cut)
        for at in sorted(cuts):
            active = counts_as_active(period.status, period.past_due_ends_at, at)
            in_trial = paid_from is None or at < paid_from
            yield at, _state(period, in_trial=in_trial) if active else None


def _state(period: Period, *, in_trial: bool) -> _State:
    product_id = period.product_ids[0] if period.product_ids else None
    earns, uncounted = _earned(period, in_trial=in_trial)
    return _State(period.customer_id, period.currency, product_id, earns, uncounted)


def _earned(period: Period, *, in_trial: bool) -> tuple[Recurring, Uncounted | None]:
    if in_trial:
        return NOTHING, "trial"
    if period.on_demand:
        return NOTHING, "on_demand"
    price = recurring(
        period.amount, period.payment_frequency_count, period.payment_frequency_interval
    )
    if price is None or period.currency is None:
        return NOTHING, "unpriced"
    return price, None if price.monthly else "free"


def _steps(
    named: tuple[str, str, int],
    span: tuple[datetime, datetime | None],
    before: _State | None,
    after: _State | None,
    begun: dict[str, datetime],
) -> Iterator[RecurringChange]:
    """Give one change, or two where a product or a book is left for another one."""
    moves = before and after and before.place != after.place
    switches = before and after and before.product_id != after.product_id
    if before is None or after is None or not (moves or switches):
        yield _step(named, span, (before, after), leaves=after is None, begun=begun)
    elif moves:
        yield _step(named, span, (before, None), leaves=True, begun=begun)
        entered = _step(named, span, (None, after), leaves=False, begun=begun)
        yield msgspec.structs.replace(entered, converted=_converts(before, after))
    else:
        total = after.earns.monthly - before.earns.monthly
        earned = before.earns.monthly, after.earns.monthly
        kind = _kind(*earned, (book_of(named, after), span[0]), begun)
        left = _step(named, span, (before, None), leaves=True, begun=begun, has_moved=True)
        yield msgspec.structs.replace(left, total_change=0, kind=kind)
        entered = _step(named, span, (None, after), leaves=False, begun=begun, has_moved=True)
        converted = _converts(before, after)
        yield msgspec.structs.replace(entered, total_change=total, kind=kind, converted=converted)


def _step(
    named: tuple[str, str, int],
    span: tuple[datetime, datetime | None],
    states: tuple[_State | None, _State | None],
    *,
    leaves: bool,
    begun: dict[str, datetime],
    has_moved: bool = False,
) -> RecurringChange:
    """Return one change; where its book `has_moved` already, it does not say how."""
    subscription_id, business_id, first_position = named
    before, after = states
    told = after or before
    assert told is not None, "a change is one of something"
    old, new = (NOTHING if one is None else one.earns for one in states)
    book = book_of(named, told)
    change = new.monthly - old.monthly
    kind = None if has_moved else _kind(old.monthly, new.monthly, (book, span[0]), begun)
    return RecurringChange(
        subscription_id=subscription_id,
        business_id=business_id,
        first_position=first_position,
        book=book,
        at=span[0],
        leaves=leaves,
        until=span[1],
        customer_id=told.customer_id,
        currency=told.currency,
        product_id=told.product_id,
        monthly=new.monthly,
        yearly=new.yearly,
        uncounted=after.uncounted if after else None,
        monthly_change=change,
        yearly_change=new.yearly - old.yearly,
        total_change=change,
        kind=kind,
        began=begun.get(book),
        active_change=(after is not None) - (before is not None),
        paying_change=(new.monthly > 0) - (old.monthly > 0),
        trial_change=_in_trial(after) - _in_trial(before),
        converted=before is not None and after is not None and _converts(before, after),
    )


def _in_trial(state: _State | None) -> bool:
    return state is not None and state.uncounted == "trial"


def _converts(before: _State, after: _State) -> bool:
    return _in_trial(before) and not _in_trial(after)


def _kind(
    before: int, after: int, place: tuple[str, datetime], begun: dict[str, datetime]
) -> Kind | None:
    """Tell how a book moves at an instant; `begun` are those that were new, and has it then."""
    if before == after:
        return None
    if before == 0:
        book, at = place
        kind: Kind = "reactivation" if book in begun else "new"
        begun.setdefault(book, at)
        return kind
    if after == 0:
        return "churn"
    return "expansion" if after > before else "contraction"


def book_of(named: tuple[str, str, int], state: _State) -> str:
    """Return the name of the book: 128 bits in hexadecimal, of who pays in which currency."""
    subscription_id, business_id, _ = named
    payer = f"c {state.customer_id}" if state.customer_id else f"s {subscription_id}"
    key = "\0".join((business_id, payer, state.currency or ""))
    return blake2s(key.encode(), digest_size=_BOOK_BYTES).hexdigest()
