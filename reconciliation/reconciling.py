"""Asks Dodo about what is known here and tells what was lost: the doubtful first, then the rest."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import psycopg

from dodo.errors import GoneError
from dodo.walk import Place
from reconciliation import in_doubt
from reconciliation.absent import KINDS, Seen
from reconciliation.advice import advice
from reconciliation.finding import FAILING, found
from reconciliation.runs import FINDINGS_MAX, Run
from reconciliation.things import THINGS
from reconciliation.walking import walk
from telemetry.errors import RaphusError
from telemetry.redaction import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from domain.comparison import Comparison
    from reconciliation.absent import Absent
    from reconciliation.finding import Finding
    from reconciliation.session import Session
    from reconciliation.things import Leg, Thing
    from telemetry.progress import Progress

    Keep: TypeAlias = Callable[[Counter[str], Sequence[Finding]], None]
    """Takes what was found, some at a time: how many had which outcome, and what is told."""

DAYS: Final = 30
WHOLE: Final = frozenset({"subscription"})
"""What lives on, and so is read whatever its age."""
WHOLE_TABLES: Final = frozenset({"subscriptions", "products"})
NOT_READ: Final = frozenset({"customers"})
"""What no answer hangs on: an import takes it, and webhooks bring most of it."""
DOUBTFUL: Final = "in doubt"
ABSENT: Final = "in no list"


class Reconciliation:
    """One reconciliation of what was created within so many days, and of all subscriptions."""

    def __init__(self, session: Session, days: int, keep: Keep, progress: Progress) -> None:
        self._session = session
        self._taker = session.taker
        self._business_id = session.taker.account.business_id
        self._until = datetime.now(UTC)
        self._since = self._until - timedelta(days=days)
        self._keep = keep
        self._progress = progress
        self._seen = Seen(session.conn)

    def run(self) -> None:
        """Ask about everything.

        Raises:
            DodoError: Dodo cannot be asked; what was found until then is kept.
            UnrecordedError, psycopg.Error: the database is away.
            BehindError: the read models do not follow the log.
        """
        self._session.catch_up()
        asked = in_doubt.in_doubt(self._business_id, self._until)
        rows = self._session.conn.execute(asked.sql.encode(), asked.params).fetchall()
        self._ask(DOUBTFUL, [row[:3] for row in rows])
        for thing in THINGS:
            if thing.name not in NOT_READ:
                self._read(thing)
        self._session.catch_up()
        self._ask(ABSENT, [one for kind in KINDS for one in self._absent(kind)])

    def _absent(self, kind: str) -> list[Absent]:
        since = None if kind in WHOLE else self._since
        return self._seen.absent(kind, self._business_id, since, self._until)

    def _ask(self, phase: str, things: Sequence[tuple[str, str, str | None]]) -> None:
        for number, thing in enumerate(things, start=1):
            self._tell([self._taker.take_one(*thing)])
            self._seen.add(thing[0], [thing[1]])
            self._progress(phase, number, len(things))

    def _read(self, thing: Thing) -> None:
        read, known = 0, self._known(thing.name)
        self._progress(thing.name, 0, max(known, 1))
        for leg in thing.legs(self._taker.dodo):
            for new in self._read_leg(leg):
                read += new
                self._progress(thing.name, read, max(known, read + 1))
        self._progress(thing.name, read, read)

    def _read_leg(self, leg: Leg) -> Iterator[int]:
        """Read a list; yield how many of each page were not seen before."""
        kind = leg.endpoint.kind
        begin = Place(self._until, None if kind in WHOLE else self._since)
        # The ids of some things are only told apart by what they belong to.
        named = kind if kind in KINDS else f"{kind}/{leg.name}"
        try:
            for ids, looks, _ in walk(self._taker.dodo, leg, begin, self._business_id):
                new = self._seen.add(named, ids)
                fresh = [look for id_, look in zip(ids, looks, strict=True) if id_ in new]
                self._tell(self._taker.take(leg, fresh, whole_ledgers=False))
                yield len(new)
        except GoneError:  # what it belongs to was deleted meanwhile
            return

    def _known(self, table: str) -> int:
        """Count what is known of what is about to be read: Dodo does not tell how much it has."""
        ((count,),) = self._session.conn.execute(
            f"SELECT count(*) FROM raphus.{table} WHERE business_id = %s"  # noqa: S608 -- constants
            " AND (%s OR created_at >= %s)".encode(),
            [self._business_id, table in WHOLE_TABLES, self._since],
        ).fetchall()
        return int(count)

    def _tell(self, compared: Iterable[Comparison]) -> None:
        outcomes: Counter[str] = Counter()
        findings: list[Finding] = []
        for one in compared:
            outcome, finding = found(one)
            outcomes[outcome.value] += 1
            if finding is not None:
                findings.append(finding)
        self._keep(outcomes, findings)


class Reconciled(NamedTuple):
    """What a reconciliation came to; `id` is None where nothing of it is kept."""

    id: int | None
    outcomes: Counter[str]
    findings: list[Finding]
    advice: list[str]

    @property
    def differs(self) -> bool:
        """Whether anything was lost, unknown here, or is gone."""
        return any(self.outcomes[one.value] for one in FAILING)


def reconcile(session: Session, days: int, progress: Progress) -> Reconciled:
    """Reconcile, and keep what was found as it is found.

    Raises:
        DodoError, UnrecordedError, psycopg.Error, BehindError: as `Reconciliation.run`.
    """
    run = Run(session.conn, session.taker.account, days)
    found_ = _Found(run.found)
    try:
        Reconciliation(session, days, found_.take, progress).run()
        told = advice(session.taker.dodo, found_.findings)
    except Exception as error:
        with suppress(psycopg.Error):  # the error at hand says more
            run.end([], str(error) if isinstance(error, RaphusError) else kind_of(error))
        raise
    run.end(told)
    return Reconciled(run.id, run.outcomes, found_.findings, told)


def check(session: Session, days: int, progress: Progress) -> Reconciled:
    """Tell what a reconciliation would find, and write nothing; the session must not record."""
    found_ = _Found()
    Reconciliation(session, days, found_.take, progress).run()
    told = advice(session.taker.dodo, found_.findings)
    return Reconciled(None, found_.outcomes, found_.findings, told)


class _Found:
    """What was found, as much of it as one may hold in memory."""

    def __init__(self, keep: Keep | None = None) -> None:
        self.outcomes: Counter[str] = Counter()
        self.findings: list[Finding] = []
        self._keep = keep

    def take(self, outcomes: Counter[str], findings: Sequence[Finding]) -> None:
        """Take some of it."""
        self.outcomes += outcomes
        self.findings += findings[: max(0, FINDINGS_MAX - len(self.findings))]
        if self._keep is not None:
            self._keep(outcomes, findings)
