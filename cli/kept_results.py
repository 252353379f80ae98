"""Keeps what a verification or a rebuild on the command line has found, where pages show it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import psycopg

from postgres.connections import WORKING, connect
from postgres.failures import reason_of
from projections.upkeep import jobs

if TYPE_CHECKING:
    from datetime import datetime

    from projections.upkeep.findings import Ended
    from projections.upkeep.jobs import Kind

_log = logging.getLogger(__name__)


def keep_result(conninfo: str, kind: Kind, began_at: datetime, ended: Ended) -> None:
    """Keep it; where that cannot be done, what was found is told all the same."""
    try:
        with connect(conninfo, WORKING, "raphus-upkeep") as conn:
            jobs.keep(conn, kind, began_at, ended)
    except psycopg.Error as error:
        _log.warning("the result is not kept for the console: %s", reason_of(error))
