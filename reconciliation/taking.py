"""Takes what Dodo says, of some things of a list or of one by its id, into the log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from dodo.endpoints import BALANCES, LEDGER, ONE_BY_KIND
from dodo.walk import Place
from domain.aggregates.catalogue import KINDS
from domain.aggregates.credit import CreditEntity
from domain.look import Look
from reconciliation.things import Leg
from reconciliation.walking import walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dodo.client import Dodo
    from domain.aggregate import Known
    from domain.comparison import Comparison
    from reconciliation.account import Account
    from reconciliation.observing import Observer

ENTRIES_AT_ONCE: Final = 100
"""So many entries of a ledger are recorded together at the least.

They are judged within the whole of it. So they are as many as are known, where these are more: all
that is judged of a ledger stays a few times its length.
"""
LATE: Final = timedelta(days=1)
"""How much later an entry may appear in a ledger than it is dated, to be sure."""
WITH_PAYMENT: Final = frozenset({"refund", "dispute"})
"""The kinds whose look names a payment, also where Dodo has nothing of it to say."""


class Taker:
    """Reads with one key, and compares and records what comes."""

    def __init__(self, dodo: Dodo, account: Account, observer: Observer) -> None:
        self.dodo = dodo
        self.account = account
        self.observer = observer

    def take(
        self, leg: Leg, looks: Sequence[Look], *, whole_ledgers: bool = True
    ) -> list[Comparison]:
        """Compare some things of a list with what is known, and record what was not.

        The entries of an account of credits are recorded before its balance is: whoever dies
        between finds the balance new, and reads them again. Of an account whose balance has moved
        they are read from where its known entries led to the balance; with `whole_ledgers`, all
        are read unless they lead to it from nothing. Where nothing is recorded, none are read.
        """
        if leg.endpoint.path != BALANCES.path:
            return self.observer.observe(looks)
        before = self.observer.compare(looks)
        for one in before:
            if self.observer.records and _lacks_entries(one, whole=whole_ledgers):
                self._take_ledger(one, _known_until(one, whole=whole_ledgers))
        after = self.observer.observe(looks)
        return [now._replace(before=was.before) for was, now in zip(before, after, strict=True)]

    def take_one(self, kind: str, id_: str, payment_id: str | None = None) -> Comparison:
        """Ask for one thing by its id, compare it with what is known, and record what was not."""
        (compared,) = self.observer.observe([self._look(kind, id_, payment_id)])
        return compared

    def _look(self, kind: str, id_: str, payment_id: str | None) -> Look:
        endpoint, asked_at = ONE_BY_KIND[kind], datetime.now(UTC)
        found = self.dodo.one(endpoint, id_)
        asked = {KINDS[kind].id_field: id_}
        if payment_id is not None and kind in WITH_PAYMENT:
            asked["payment_id"] = payment_id
        return Look(
            kind=kind,
            business_id=self.account.business_id,
            at=found.at if found else asked_at,
            endpoint=endpoint.source,
            data=found.data if found else None,
            asked=asked,
        )

    def _take_ledger(self, balance: Comparison, since: datetime | None) -> None:
        account = _account(balance.after)
        assert account is not None, "a balance is of an account, which its look names"
        ids = account.credit_entitlement_id, account.customer_id or ""
        leg = Leg("", LEDGER, ids, dict(zip(LEDGER.ids, ids, strict=True)))
        begin, looks, known = Place(datetime.now(UTC), since), [], account.entries
        for walked in walk(self.dodo, leg, begin, self.account.business_id):
            looks += walked.looks
            if len(looks) >= max(known, ENTRIES_AT_ONCE):
                self.observer.observe_parts(looks)
                known += len(looks)
                looks = []
        self.observer.observe_parts(looks)


def _lacks_entries(balance: Comparison, *, whole: bool) -> bool:
    """Tell whether the ledger has to be read."""
    account = _account(balance.after)
    if account is None:
        return False
    return balance.changes or (whole and account.ledger_balance != account.observed_balance)


def _known_until(balance: Comparison, *, whole: bool) -> datetime | None:
    """Return up to when no entry of a ledger can be missing; None where one may be at any time."""
    account = _account(balance.before)
    if account is None or account.unexplained != 0:
        return None
    if whole and account.ledger_balance != account.observed_balance:
        return None
    return account.occurred_at - LATE


def _account(known: Known | None) -> CreditEntity | None:
    return known.entity if known and isinstance(known.entity, CreditEntity) else None
