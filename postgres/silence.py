"""When a connection on which nothing comes is given up.

A statement that takes long and a connection that is dead sound alike. So where nothing has come
for a moment, the server is asked on another connection whether it still works for the silent one.
Only its answer counts: where it does not answer either, it is waited for.
"""

from __future__ import annotations

import time
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg

from telemetry.heartbeat import beat

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

T = TypeVar("T")

SILENCE_S: Final = 1.0
"""How long nothing may come before the server is asked."""
GRACE_S: Final = 0.3
"""How long its last words may be on their way."""


class UnansweredError(psycopg.OperationalError):
    """The server did not answer in time; whether it has done what it was told is not known."""


def listening(
    gen: Generator[Any, Any, T],
    wanted: Any,  # noqa: ANN401 -- what psycopg's generators yield is its own affair
    is_working: Callable[[], bool | None] | None,
    give_up_at: float | None,
) -> Generator[Any, Any, T]:
    """Pass one of psycopg's generators on, which has yielded once, until there is no point in it.

    `is_working` asks the server about the connection, and returns None where it does not answer.
    psycopg asks again at each 0.1 s in which nothing has come.

    Raises:
        UnansweredError: the server does not work for the connection any more, or it is past
            `give_up_at`, by the monotonic clock.
    """
    silence: _Silence | None = None
    while True:
        ready = yield wanted
        beat()  # what the database does is for its own limits to end
        if give_up_at is not None and time.monotonic() > give_up_at:
            raise UnansweredError("the database did not answer in time")
        if not ready and silence is None:  # not before: nearly all that comes, comes at once
            silence = _Silence(is_working)
        if silence is not None:
            silence.go_on(is_broken=bool(ready))
        try:
            wanted = gen.send(ready)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]  # the type of a generator's end


class _Silence:
    """The time in which nothing has come, and what the server says to it."""

    def __init__(self, is_working: Callable[[], bool | None] | None) -> None:
        self._is_working = is_working
        self._since = self._listens_since = time.monotonic()
        self._look: _Look | None = None

    def go_on(self, *, is_broken: bool) -> None:
        """Go on, or begin anew where something has come.

        Raises:
            UnansweredError: the server says that nothing will come.
        """
        now, look = time.monotonic(), self._look
        listened_since, self._listens_since = self._listens_since, now
        if is_broken or (look and look.ended_at and look.is_working is not False):
            self._since, self._look = now, None
        elif look is None:
            if self._is_working is not None and now - self._since > SILENCE_S:
                self._look = _Look(self._is_working)
        # A server that has answered waits for us, too. We may not have run since: so what counts is
        # that nothing has come when we began to listen only after its word.
        elif look.ended_at and listened_since > look.ended_at + GRACE_S:
            raise UnansweredError("the database works for this connection no more")


class _Look:
    """A question to the server, asked in a thread of its own."""

    def __init__(self, ask: Callable[[], bool | None]) -> None:
        self._ask = ask
        self.is_working: bool | None = None
        self.ended_at: float | None = None
        Thread(target=self._run, name="look", daemon=True).start()

    def _run(self) -> None:
        try:
            self.is_working = self._ask()
        finally:
            self.ended_at = time.monotonic()
