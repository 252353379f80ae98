"""The account that the entries of a ledger of credits add up to, and what is told beside them."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from domain.credits.entry import EMPTY, EXACT, NOTHING, Standing
from domain.field_readers import shortest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from domain.credits.entry import CreditEntry

RECENT_MAX: Final = 20
"""A warning that repeats what one of so many last entries leads to says nothing new."""


class Telling(NamedTuple):
    """What a warning, or a look at the account, says of the balance."""

    at: datetime
    is_warning: bool
    name: str | None
    balance: Decimal | None
    overage: Decimal | None


class Chain(NamedTuple):
    """How entries hang together that tell what was before and after them, from instant to instant.

    The first begins at `opening`, the last leads to `closing`; both are None where none tells. It
    `is_broken` where one goes on from what none before it leads to: entries are missing between
    them. `has_untold` tells that some entry does not tell.
    """

    opening: Standing | None = None
    closing: Standing | None = None
    is_broken: bool = False
    has_untold: bool = False


class LedgerBefore(msgspec.Struct, frozen=True):
    """What entries add up to, and what was told beside them.

    `balance` and `overage` are from nothing. `last_at` is when the last entry was made. `recent`
    are what the last `RECENT_MAX` entries lead to, and `tellings` as many that tell a balance. Of
    `odd` entries it is how many there are, and the first one, with what is odd about it.
    """

    entries: int = 0
    balance: Decimal = NOTHING
    overage: Decimal = NOTHING
    chain: Chain = Chain()
    last_at: datetime | None = None
    recent: tuple[Decimal | None, ...] = ()
    tellings: tuple[Telling, ...] = ()
    low_at: datetime | None = None
    name: str | None = None
    subscription_ids: tuple[str, ...] = ()
    odd: tuple[int, str, str | None] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the entries tell all that happened, from the first one on."""
        chain = self.chain
        hangs_together = not chain.is_broken and chain.opening in {None, EMPTY}
        all_tell = not chain.has_untold or chain.closing is None
        return self.entries > 0 and hangs_together and all_tell

    @property
    def newest(self) -> Telling | None:
        """What was told of the balance last, if that was behind the last entry.

        A warning says nothing new where an entry leads to what it says.
        """
        known, last_at = self.recent, self.last_at
        telling = [one for one in self.tellings if not (one.is_warning and one.balance in known)]
        if not telling or (last_at and telling[-1].at < last_at):
            return None
        last = telling[-1]
        return None if last.is_warning and last.at == last_at else last


def gone_on(
    before: LedgerBefore,
    ledger: Sequence[CreditEntry],
    tellings: Sequence[Telling],
    subscription_ids: tuple[str, ...],
) -> LedgerBefore:
    """Go on by entries in the order in which they were made, and by what was told meanwhile."""
    of_balance = (one for one in tellings if one.balance is not None)
    names = (one.name for one in reversed(tellings))
    warnings = (one.at for one in reversed(tellings) if one.is_warning)
    leads_to = (entry.balance_after for entry in ledger)
    return LedgerBefore(
        entries=before.entries + len(ledger),
        balance=_sum(before.balance, (entry.balance_change for entry in ledger)),
        overage=_sum(before.overage, (entry.overage_change for entry in ledger)),
        chain=_chained(ledger, before.chain),
        last_at=ledger[-1].created_at if ledger else before.last_at,
        recent=(*before.recent, *leads_to)[-RECENT_MAX:],
        tellings=(*before.tellings, *of_balance)[-RECENT_MAX:],
        low_at=next(warnings, before.low_at),
        name=next(filter(None, names), before.name),
        subscription_ids=subscription_ids,
        odd=_odd(ledger, before.odd),
    )


def _odd(
    ledger: Sequence[CreditEntry], before: tuple[int, str, str | None] | None
) -> tuple[int, str, str | None] | None:
    odd = [entry for entry in ledger if entry.anomaly is not None]
    if before is None:
        return (len(odd), odd[0].id, odd[0].anomaly) if odd else None
    return (before[0] + len(odd), *before[1:])


def _sum(total: Decimal, changes: Iterable[Decimal]) -> Decimal:
    for change in changes:
        total = EXACT.add(total, change)
    return shortest(total)


def _chained(ledger: Iterable[CreditEntry], chain: Chain) -> Chain:
    """Find out whether entries are missing, without an order among those of one instant."""
    for _, of_instant in groupby(ledger, key=attrgetter("created_at")):
        chain = _followed(chain, [*of_instant])
    return chain


def _followed(chain: Chain, entries: Sequence[CreditEntry]) -> Chain:
    """Go on by the entries of one instant.

    Each leads from what was before it to what is after it. What is a before more often than an
    after is where they begin; where nothing is, they lead back to where they began.
    """
    steps = [(entry.standing_before, entry.standing_after) for entry in entries]
    known = [(before, after) for before, after in steps if before and after]
    if len(known) < len(steps):
        chain = chain._replace(has_untold=True)
    if not known:
        return chain
    if len(known) == 1:
        ((before, after),) = known
        if chain.closing is None:
            return chain._replace(opening=before, closing=after)
        is_broken = chain.is_broken or before != chain.closing
        return chain._replace(closing=after, is_broken=is_broken)
    befores, afters = (Counter(standings) for standings in zip(*known, strict=True))
    openings, closings = befores - afters, afters - befores
    newest_first = [after for _, after in reversed(known)]
    closing = next((after for after in newest_first if after in closings), newest_first[0])
    if chain.closing is None:
        opening = min(openings, default=closing)
        is_broken = openings.total() > 1
        return chain._replace(opening=opening, closing=closing, is_broken=is_broken)
    if openings:
        follows = [*openings.elements()] == [chain.closing]
    else:
        follows = chain.closing in befores
        closing = chain.closing if follows else closing
    return chain._replace(closing=closing, is_broken=chain.is_broken or not follows)
