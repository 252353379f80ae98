"""Upkeep over HTTP: the log proved, the read models compared or rebuilt, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from api.http.errors import ApiError
from api.http.operations import Operation
from api.http.parameters import Text, one_of
from api.http.questions import Query
from projections.upkeep import jobs
from projections.upkeep.jobs import KINDS, Kind, UpkeepJob

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.queries.read_side import ReadSide
    from api.services import Services

IN_WORDS: Final[Mapping[Kind, str]] = {
    "verify": "a verification of the log",
    "rebuild_check": "a check of the read models",
    "rebuild": "a rebuild of the read models",
}


class BeginQuery(Query, frozen=True, kw_only=True):
    """Says what is to be done."""

    kind: Annotated[
        Annotated[Kind, one_of(KINDS)] | None,
        Meta(
            description="verify proves by the log's chain of hashes that nothing in it was changed;"
            " rebuild_check folds the whole log and compares with every read model; rebuild also"
            " writes what differs. It must be said."
        ),
    ] = None


class JobQuery(Query, frozen=True, kw_only=True):
    """Says which job is meant."""

    id: Annotated[Text, Meta(description="The job's id.")]


class Upkept(msgspec.Struct, frozen=True):
    """What runs, and what has ended, the last begun first: up to 10 of each kind."""

    running: UpkeepJob | None
    items: list[UpkeepJob]


class Begun(msgspec.Struct, frozen=True):
    """The job that has begun; the list tells how far it is."""

    id: str
    kind: Kind


async def _kept(read_side: ReadSide, id_: int | None = None) -> list[UpkeepJob]:
    rows = await read_side.database.rows(jobs.kept(id_))
    if any(map(jobs.seems_lost, rows)):
        rows = await read_side.database.rows(jobs.kept(id_))
    return [jobs.read(row) for row in rows]


async def _list(read_side: ReadSide, _query: Query) -> Upkept:
    kept = await _kept(read_side)
    running = next((job for job in kept if job.outcome is None), None)
    return Upkept(running, [job for job in kept if job.outcome is not None])


async def _begin(services: Services, query: BeginQuery) -> Begun:
    if query.kind is None:
        raise ApiError(400, "missing_parameter", f"say what: kind, one of {', '.join(KINDS)}")
    running = (await _list(services, query)).running
    begun = None if running else await services.upkeep.begin(query.kind, services.asked_by)
    if begun is None:
        raise _busy(running or (await _list(services, query)).running)
    return Begun(str(begun), query.kind)


async def _cancel(read_side: ReadSide, query: JobQuery) -> UpkeepJob:
    if not query.id.isdecimal() or len(query.id) > 18:
        raise _unknown()
    await read_side.database.change(jobs.cancel(int(query.id)))
    return await _job(read_side, int(query.id))


async def _job(read_side: ReadSide, id_: int) -> UpkeepJob:
    found = await _kept(read_side, id_)
    if not found:
        raise _unknown()
    return found[0]


def _unknown() -> ApiError:
    return ApiError(404, "not_found", "no such job is kept")


def _busy(running: UpkeepJob | None) -> ApiError:
    if running is None:
        return ApiError(409, "running", "another job has just begun, or just ended: ask again")
    message = f"{IN_WORDS[running.kind]} runs already: wait for its end, or cancel it"
    began_at = running.began_at.isoformat().replace("+00:00", "Z")
    details = {"id": running.id, "kind": running.kind, "began_at": began_at}
    return ApiError(409, "running", message, details)


LIST_UPKEEP: Final = Operation["ReadSide", Query, Upkept](
    path="/v1/upkeep",
    name="list_upkeep",
    summary="Tell when the log was verified and the read models were compared or rebuilt, over HTTP"
    " and on the command line, what was found, and how far the one is that runs.",
    handle=_list,
    takes=Query,
    answers=Upkept,
    of_all=True,
)
BEGIN_UPKEEP: Final = Operation["Services", BeginQuery, Begun](
    path="/v1/upkeep",
    name="begin_upkeep",
    summary="Begin to verify the log, or to compare or rebuild the read models, beside the server,"
    " which goes on serving. One runs at a time, of all servers of a database.",
    handle=_begin,
    takes=BeginQuery,
    answers=Begun,
    may_fail={
        400: "The query is not as declared, or does not say what is to be done.",
        409: "One runs already; the details tell which.",
    },
    method="POST",
    scope="admin",
    of_all=True,
)
CANCEL_UPKEEP: Final = Operation["ReadSide", JobQuery, UpkeepJob](
    path="/v1/upkeep/{id}",
    name="cancel_upkeep",
    summary="Have a job end at its next step, with nothing changed; one that has ended stays as it"
    " is.",
    handle=_cancel,
    takes=JobQuery,
    answers=UpkeepJob,
    may_fail={404: "No job with this id is kept."},
    method="DELETE",
    scope="admin",
    of_all=True,
)
