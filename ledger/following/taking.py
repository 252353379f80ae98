"""A page of the log taken: what follows from it and the checkpoint, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ledger.following.checkpoint import taken
from ledger.following.pages import LogError, page_of, reading
from postgres.connections import DATABASE_ERRORS
from postgres.together import BEGIN, Sent, roll_back, together

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    write: Callable[[Page], Sequence[Sent]],
    limits: PageLimits,
) -> Page | None:
    """Take the next page; None at the end of the log, or while another holds the checkpoint.

    `write` writes, in the same transaction, what follows from all events of the page, and returns
    the last statements of it, which are sent together with the commit.

    Raises:
        LogError: the log does not go on where, and as, it has been followed.
        PageError: `write` fails; nothing of the page is taken.
        psycopg.OperationalError: the database is away; what was committed is not known.
    """
    try:
        page = _begun(conn, tracking, limits)
        if page is None:
            return None
        try:
            last = write(page)
        except (LogError, *DATABASE_ERRORS):
            raise
        except Exception as error:
            raise PageError(page) from error
        tracking.commit(conn, last, (page.last, page.hash, page.events))
    finally:
        roll_back(conn)  # unless it is committed
    tracking.expected = page.last
    return page


def _begun(conn: Connection[Any], tracking: ProjectionTracking, limits: PageLimits) -> Page | None:
    """Begin a transaction that holds the checkpoint, and read the page that follows it.

    Where it stands is known, nearly always: so the page is read from there in the same round trip.
    """
    expected = tracking.expected

    def reads(position: int) -> Sent:
        return reading(position, limits.events_max, behind_folds=limits.behind_folds)

    expected_page = [reads(expected)] if expected is not None else []
    _, held, *found = together(conn, [BEGIN, tracking.taking(), *expected_page])
    after = taken(held)
    if after is None:
        return None
    tracking.expected = after.position
    if after.position != expected:
        found = together(conn, [reads(after.position)])
    return page_of(after, found[0], limits.bytes_max)
