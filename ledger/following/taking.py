"""A page of the log taken: what follows from it and the checkpoint, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ledger.following.pages import LogError, next_page
from postgres.connections import DATABASE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection

    from ledger.following.checkpoint import ProjectionTracking
    from ledger.following.pages import Page


class PageError(Exception):
    """A page cannot be taken: a defect of the program, which must not be skipped.

    The message names the page; what is wrong with it is the `__cause__`.
    """

    def __init__(self, page: Page) -> None:
        streams = f" of {next(iter(page.versions))}" if page.events == 1 else ""
        super().__init__(f"positions {page.after + 1} to {page.last}{streams}")
        self.page = page


class PageLimits(NamedTuple):
    """How much a page holds at the most, though always one event; without bytes, the default.

    Of the histories of its streams all counts, or what is `behind_folds` that are stored.
    """

    events_max: int
    bytes_max: int | None = None
    behind_folds: bool = False


def take(
    conn: Connection[Any],
    tracking: ProjectionTracking,
    write: Callable[[Page], None],
    limits: PageLimits,
) -> Page | None:
    """Take the next page; None at the end of the log, or while another holds the checkpoint.

    `write` writes, in the same transaction, what follows from all events of the page.

    Raises:
        LogError: the log does not go on where, and as, it has been followed.
        PageError: `write` fails; nothing of the page is taken.
        psycopg.OperationalError: the database is away; what was committed is not known.
    """
    with conn.transaction():
        after = tracking.take(conn)
        page = None
        if after is not None:
            page = next_page(
                conn,
                after,
                limits.events_max,
                limits.bytes_max,
                behind_folds=limits.behind_folds,
            )
        if page is None:
            return None
        try:
            write(page)
        except (LogError, *DATABASE_ERRORS):
            raise
        except Exception as error:
            raise PageError(page) from error
        tracking.advance(conn, page.last, page.hash, page.events)
    return page
