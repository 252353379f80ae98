"""How the server is: whether it is ready, what upkeep has found, what is kept and who may ask."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from msgspec import Meta

from api.http.errors import ApiError
from api.http.parameters import Flag
from api.http.questions import Query
from api.resources.keys import LIST_KEYS
from api.resources.reconciliations import LIST_RECONCILIATIONS
from api.resources.storage import GET_STORAGE, LIST_SNAPSHOTS
from api.resources.upkeep import (
    BEGIN_UPKEEP,
    CANCEL_UPKEEP,
    LIST_UPKEEP,
    BeginQuery,
    JobQuery,
)
from console.page import Action, Menu, Page, Redirect, View
from console.pages.readiness import Readiness, readiness
from console.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.keys.table import ListedKey
    from api.resources.upkeep import Upkept
    from console.page import Seen
    from projections.upkeep.jobs import Kind, UpkeepJob

STORAGE_AGE_MAX_S: Final = 30.0
LOG: Final = "ledger_events"
PATH: Final = "/health"


class Sort(NamedTuple):
    """A sort of upkeep as it is offered: what it is called, what it does, and what starts it."""

    kind: Kind
    name: str
    does: str
    button: str


SORTS: Final = (
    Sort(
        "verify",
        "Verify the log",
        "Proves by the chain of hashes that nothing in the log was changed, removed or moved, and"
        " checks every signature again with the secrets in hand.",
        "Verify",
    ),
    Sort(
        "rebuild_check",
        "Check the read models",
        "Folds the whole log anew and compares with every table, row by row; writes nothing.",
        "Check",
    ),
    Sort(
        "rebuild",
        "Rebuild the read models",
        "Does the same and writes what differs, all or nothing. Needed once after some upgrades.",
        "Rebuild",
    ),
)
_SORTS: Final[Mapping[str, Sort]] = {sort.kind: sort for sort in SORTS}
NAMES: Final[Mapping[str, str]] = {sort.kind: sort.name for sort in SORTS}
PHASES: Final[Mapping[str, tuple[str, str]]] = {
    "check the streams": ("Numbering the streams", "steps"),
    "verify": ("Walking the log", "events"),
    "fold": ("Folding the log", "events"),
    "index": ("Indexing", "tables"),
    "catch up": ("Catching up with what has come", "events"),
    "compare": ("Comparing", "tables"),
    "write": ("Writing what differs", "tables"),
}
"""The phases of jobs in words, each with what its numbers count."""
OUTCOMES: Final[Mapping[str, tuple[str, str]]] = {
    "well": ("good", "well"),
    "wrong": ("bad", "wrong"),
    "mended": ("warning", "mended"),
    "failed": ("bad", "failed"),
    "cancelled": ("plain", "cancelled"),
}
"""How outcomes are to be taken, and what they are called."""


class HealthPage(Query, frozen=True, kw_only=True):
    """Asks how the server is."""

    refused: Annotated[
        Flag, Meta(description="A form has just asked for a job while another one ran.")
    ] = False


class Offered(NamedTuple):
    """A sort of upkeep with how it ended last.

    `mended_since` tells that a rebuild has come to its end since a check.
    """

    sort: Sort
    last: UpkeepJob | None
    mended_since: bool = False

    @property
    def is_wrong(self) -> bool:
        """Whether something is wrong as far as is known."""
        wrong = self.last is not None and self.last.outcome == "wrong"
        return wrong and not self.mended_since


async def _health(visit: Visit, query: HealthPage) -> View:
    (state, upkeep, reconciliations), (keys, sessions, snapshots, storage) = await asyncio.gather(
        asyncio.gather(
            readiness(visit),
            visit.ask(LIST_UPKEEP),
            visit.ask(LIST_RECONCILIATIONS, limit=1),
        ),
        asyncio.gather(
            _keys(visit),
            visit.sessions.count(),
            visit.ask(LIST_SNAPSHOTS),
            visit.ask_lately(GET_STORAGE, age_max_s=STORAGE_AGE_MAX_S),
        ),
    )
    offered = _offered(upkeep)
    tables = sorted(storage.tables, key=lambda table: -table.bytes)
    data = {
        "state": state,
        "tone": _tone(state, offered),
        "running": upkeep.running,
        "offered": offered,
        "jobs": upkeep.items,
        "names": NAMES,
        "phases": PHASES,
        "outcomes": OUTCOMES,
        "refused": query.refused,
        "may_change": "admin" in visit.caller.may,
        "keys": keys,
        "sessions": sessions,
        "snapshots": snapshots.items,
        "storage": storage,
        "tables": tables,
        "log_bytes": sum(table.bytes for table in tables if table.table == LOG),
        "reconciliation": reconciliations.items[0] if reconciliations.items else None,
    }
    return View("health.html", "Health", data)


async def _keys(visit: Visit) -> list[ListedKey] | None:
    """List the keys; None where the visitor may not see them."""
    if "admin" not in visit.caller.may:
        return None
    return (await visit.ask(LIST_KEYS)).items


def _offered(upkeep: Upkept) -> list[Offered]:
    offered: dict[str, Offered] = {}
    mended = False
    for job in upkeep.items:  # the last begun first
        if job.kind not in offered:
            since = mended and job.kind == "rebuild_check"
            offered[job.kind] = Offered(_SORTS[job.kind], job, since)
        mended |= job.kind == "rebuild" and job.outcome in {"well", "mended"}
    return [offered.get(sort.kind, Offered(sort, None)) for sort in SORTS]


def _tone(state: Readiness, offered: list[Offered]) -> str:
    """Tell how all that is to be taken."""
    if state.ready is None:
        return "bad"
    is_wrong = any(one.is_wrong for one in offered)
    return "warning" if is_wrong or state.warnings or state.is_behind else "good"


async def _begin(visit: Visit, query: BeginQuery) -> Seen:
    try:
        await visit.ask_by(BEGIN_UPKEEP, query)
    except ApiError as error:
        if error.status != 409:
            raise
        return Redirect(visit.link(PATH, refused=True))
    return Redirect(visit.link(PATH))


async def _cancel(visit: Visit, query: JobQuery) -> Seen:
    await visit.ask_by(CANCEL_UPKEEP, query)
    return Redirect(visit.link(PATH))


HEALTH: Final = Page(
    path=PATH,
    takes=HealthPage,
    handle=_health,
    menu=Menu("Server", "Health"),
    of_all=True,
)
HEALTH_ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(path=f"{PATH}/upkeep", takes=BeginQuery, handle=_begin, form=HEALTH, of_all=True),
    Action(
        path=f"{PATH}/upkeep/{{id}}/cancel",
        takes=JobQuery,
        handle=_cancel,
        form=HEALTH,
        of_all=True,
    ),
)
"""What its forms change."""
