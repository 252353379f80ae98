"""Work on tables, some at once: each on one of several connections, for which a core each works."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import psycopg
from psycopg.sql import SQL, Literal

from postgres.snapshot import REPEATABLE_READ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from psycopg import Connection

    T = TypeVar("T")
    Work: TypeAlias = Callable[[Connection[Any]], T]

_CANCELLED_WITHIN_S: Final = 2.0
_AGAIN_S: Final = 0.1
"""How long whoever is told to stop has for it; between two statements he does not hear it."""


def side_by_side(
    conns: Sequence[Connection[Any]], works: Sequence[Work[T]], progress: Callable[[int], None]
) -> list[T]:
    """Do each work on one of some connections, in their order, and return what they return.

    `progress` is called with how many are done, by the caller's thread, in which the first
    connection works. If it raises, or a work does, what the others do is cancelled.
    """
    waiting = deque(enumerate(works))
    done: dict[int, T] = {}

    def take(conn: Connection[Any], before_each: Callable[[int], object]) -> None:
        try:
            for number, work in _each(waiting):
                before_each(len(done))
                done[number] = work(conn)
        except BaseException:
            waiting.clear()
            raise

    own, *others = conns
    with ThreadPoolExecutor(len(others) or 1, "rebuild") as pool:
        taken = [pool.submit(take, conn, lambda _done: None) for conn in others]
        try:
            take(own, progress)
            for one in taken:
                one.result()
        except BaseException:
            while wait(taken, _AGAIN_S).not_done:
                _cancel(others)
            raise
    progress(len(done))
    return [done[number] for number in range(len(works))]


def _each(waiting: deque[T]) -> Iterator[T]:
    while True:
        try:
            yield waiting.popleft()
        except IndexError:
            return


def _cancel(conns: Sequence[Connection[Any]]) -> None:
    for conn in conns:
        with suppress(psycopg.Error):
            conn.cancel_safe(timeout=_CANCELLED_WITHIN_S)


@contextmanager
def one_snapshot(conns: Sequence[Connection[Any]]) -> Iterator[None]:
    """Let the other connections read what the first one does, in whose transaction nothing is new.

    What they write is committed in the end.
    """
    own, *others = conns
    with ExitStack() as stack:
        for conn in others:
            ((name,),) = own.execute("SELECT pg_export_snapshot()").fetchall()
            stack.enter_context(conn.transaction())
            conn.execute(REPEATABLE_READ)
            conn.execute(SQL("SET TRANSACTION SNAPSHOT {}").format(Literal(name)))
        yield
