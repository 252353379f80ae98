"""Heartbeats, by which who keeps a process running tells one that hangs from one that works.

What does the work of a process counts up a number on the board about once a second, and whoever
keeps it running looks as often whether it has moved: nothing is asked, so nothing need answer.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import subprocess
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from telemetry.board import Row

EVERY_S: Final = 1.0
"""How often a process beats at the least, and how often it is looked whether it has."""
LOOK_MAX_S: Final = 2 * EVERY_S
"""What passes between two looks counts as so long at the most."""
HANGS_S: Final = 30.0
"""A process that has not beaten for so long hangs."""
BEGINS_S: Final = 120.0
"""So long may it take to begin: to load is work, but nothing beats meanwhile."""
THREAD_HANGS_S: Final = 60.0
"""A thread that has not beaten for so long hangs: to fold a page may take long on a busy machine,
and nothing beats meanwhile."""


class Silence:
    """How long something has not moved, as far as somebody was there to see that it did not.

    Who looks may have been stopped, or the machine asleep with all that is on it. So a look that
    comes late counts as hardly late, and who slept as well has nearly all the time to move again.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked_at_s = clock()
        self._seen: object = None
        self._lasts_s = 0.0

    def of(self, seen: object) -> float:
        """Look at something, and return for how many seconds it has been the same."""
        now_s = self._clock()
        passed_s = min(now_s - self._looked_at_s, LOOK_MAX_S)
        self._lasts_s = self._lasts_s + passed_s if seen == self._seen else 0.0
        self._looked_at_s, self._seen = now_s, seen
        return self._lasts_s


class BeatingThread(threading.Thread):
    """A thread that is to call `beat` for as long as it runs."""

    beats = 0


def beat() -> None:
    """Show that the thread that calls goes on, where that is looked at."""
    thread = threading.current_thread()
    if isinstance(thread, BeatingThread):
        thread.beats += 1


class Heart:
    """Beats for a process, unless one of its threads hangs that are to beat."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._silences: dict[BeatingThread, Silence] = {}

    def beat(self) -> None:
        """Beat once; to be called by what does the work of the process, every `EVERY_S`."""
        threads = [one for one in threading.enumerate() if isinstance(one, BeatingThread)]
        self._silences = {thread: self._silences.get(thread) or Silence() for thread in threads}
        silent_s = [silence.of(thread.beats) for thread, silence in self._silences.items()]
        if max(silent_s, default=0.0) < THREAD_HANGS_S:
            self._row.beat()

    def beat_with(self, loop: AbstractEventLoop) -> None:
        """Beat for as long as a loop goes round; to be called in it."""
        self.beat()
        loop.call_later(EVERY_S, self.beat_with, loop)


def answer_where() -> None:
    """Have this process write where its threads are when it is asked, even if all of them hang.

    Files, lines and names of functions are written, and no value of anything.
    """
    if sys.platform != "win32":
        faulthandler.register(signal.SIGUSR1)


def ask_where(process: subprocess.Popen[bytes]) -> None:
    """Ask a process where its threads are; one that is stopped does not answer."""
    if sys.platform != "win32":
        process.send_signal(signal.SIGUSR1)
