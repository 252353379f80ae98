"""What runs beside the requests, where the settings ask for it: workflows, and reconciling."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import psycopg

from api.share import WORKFLOWS
from cli.database import UnreachableError
from cli.settings import without_secrets
from postgres.failures import reason_of
from telemetry.kept_process import KeptProcess
from workflows.task import PROGRAM, Task

if TYPE_CHECKING:
    from cli.settings import Settings
    from telemetry.board import Board, Place


def workflows(settings: Settings, conninfo: str, place: Place, board: Board) -> KeptProcess:
    """Return the process that starts jobs in Windmill, to be started.

    Raises:
        UnreachableError: the database went away.
    """
    # It brings the ledger, which loads slowly: whoever has no routes does not wait for it.
    from workflows.outbox.follower import begin  # noqa: PLC0415

    try:
        begin(conninfo)
    except psycopg.OperationalError as error:
        raise UnreachableError(f"the database went away: {reason_of(error)}") from error
    windmill = settings.windmill
    where = windmill.base_url, windmill.workspace, windmill.token
    policy = str(settings.policy), settings.policy_named
    task = msgspec.json.encode(Task(conninfo, str(windmill.routes), *where, *policy))
    there = msgspec.structs.replace(place, name=WORKFLOWS)
    return KeptProcess(PROGRAM, task, without_secrets(os.environ), there, board)


def reconciles(settings: Settings) -> bool:
    """Tell whether Dodo is to be asked every few hours what was lost."""
    return settings.dodo is not None and settings.dodo.reconcile_every_s > 0
