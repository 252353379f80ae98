"""Long work shown as a bar to a person, and as a line now and then to a log."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.progress import Task

    from telemetry.progress import Progress

LINE_EVERY_S: Final = 2.0


@contextmanager
def shown(console: Console) -> Iterator[Progress]:
    """Show how far each phase is, its rate, and the time that is left.

    A total of 0, while something is done, is one that is not known yet.
    """
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate()
    times = TimeElapsedColumn(), TimeRemainingColumn()
    with Bars(*columns, *times, console=console) as progress:
        yield _Bars(progress)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        took_s = task.finished_time or task.elapsed
        return Text(f"{task.completed / took_s:,.0f}/s" if took_s else "")


class _Bars:
    def __init__(self, progress: Bars) -> None:
        self._progress = progress
        self._phase, self._task = "", progress.add_task("", visible=False)

    def __call__(self, phase: str, done: int, total: int) -> None:
        if phase != self._phase:
            self._phase, self._task = (
                phase,
                self._progress.add_task(phase.capitalize(), total=total or None),
            )
        self._progress.update(self._task, completed=done, total=total or None)


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._phase = ""
        self._began_at = self._told_at = time.monotonic()

    def __call__(self, phase: str, done: int, total: int) -> None:
        now = time.monotonic()
        if phase != self._phase:
            self._phase = phase
            self._began_at = self._told_at = now
        if done != total and now < self._told_at + LINE_EVERY_S:
            return
        self._told_at = now
        of = f" of {total}" if total or not done else ""
        self._console.print(f"{phase}: {done}{of}{self._pace(done, total, now)}")

    def _pace(self, done: int, total: int, now: float) -> str:
        took_s = now - self._began_at
        if not (took_s and done):
            return ""
        left = timedelta(seconds=round((total - done) * took_s / done))
        return f", {done / took_s:,.0f}/s" + (f", {left} left" if done < total else "")
