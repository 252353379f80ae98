"""Heartbeats: what goes on beats, what hangs falls silent, and nobody is blamed for a sleep."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import heartbeat
from telemetry.board import Row, alone
from telemetry.heartbeat import EVERY_S, LOOK_MAX_S, BeatingThread, Heart, Silence, beat
from tests.support.waiting import until


def looked(*passed_s: float) -> Callable[[], float]:
    """Return a clock of who looks, after pauses of that many seconds."""
    return iter([*accumulate(passed_s, initial=1_000.0)]).__next__


@given(st.lists(st.floats(0, LOOK_MAX_S), max_size=50))
def test_silence_lasts_from_the_first_look_at_what_does_not_move(passed_s: list[float]) -> None:
    silence = Silence(looked(0.0, *passed_s))
    lasted_s = [silence.of(7) for _ in [0.0, *passed_s]]
    assert lasted_s == pytest.approx(list(accumulate(passed_s, initial=0.0)))


def test_what_moves_is_not_silent_any_more() -> None:
    silence = Silence(looked(*[EVERY_S] * 6))
    assert [silence.of(seen) for seen in (1, 1, 1, 2, 2, 3)] == [0, 1, 2, 0, 1, 0]


@given(st.floats(LOOK_MAX_S, 1e9))
def test_of_a_time_in_which_nobody_looked_hardly_any_counts(slept_s: float) -> None:
    silence = Silence(looked(EVERY_S, slept_s, EVERY_S))
    assert [silence.of(7) for _ in range(3)] == [0, LOOK_MAX_S, LOOK_MAX_S + EVERY_S]


@pytest.fixture
def row() -> Row:
    """The row of a process on the board."""
    return alone("server", 0).own


@contextmanager
def turning(go_on: Event) -> Iterator[BeatingThread]:
    """Run a thread that beats while it may go on, and hangs otherwise."""
    ended = Event()

    def turn() -> None:
        while not ended.wait(0.001):
            go_on.wait()
            beat()

    thread = BeatingThread(target=turn)
    thread.start()
    try:
        yield thread
    finally:
        ended.set()
        go_on.set()
        thread.join()


def test_a_process_beats_while_all_its_threads_do(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    def goes_on(heart: Heart) -> bool:
        before = row.beats
        heart.beat()
        return row.beats > before

    first, second, heart = Event(), Event(), Heart(row)
    with turning(first) as one, turning(second) as other:
        assert goes_on(heart), "it has only begun to look"
        monkeypatch.setattr(heartbeat, "THREAD_HANGS_S", 0.05)
        until(lambda: not goes_on(heart))
        first.set()
        until(lambda: one.beats)
        until(lambda: not goes_on(heart))
        second.set()
        until(lambda: other.beats)
        until(lambda: goes_on(heart))
    assert goes_on(heart), "those that have ended need not beat"


def test_a_thread_that_is_not_looked_at_may_beat_all_the_same() -> None:
    beat()


def test_an_event_loop_that_is_blocked_does_not_beat(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.001)

    async def work() -> tuple[float, float]:
        Heart(row).beat_with(asyncio.get_running_loop())
        await asyncio.sleep(0.05)
        before = row.beats
        Event().wait(0.05)
        return before, row.beats

    before, after = asyncio.run(work())
    assert 1 < before == after


HANGS = """
import os
from telemetry.heartbeat import answer_where

def is_deadlocked(buyer):
    os.read(0, os.write(1, b"hangs"))

answer_where()
is_deadlocked("jane@example.com")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_a_process_that_hangs_tells_by_names_and_lines_alone_where() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANGS],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(5) == b"hangs"
        heartbeat.ask_where(process)
        assert process.stderr is not None
        said = [process.stderr.readline().decode() for _ in range(3)]
        process.send_signal(signal.SIGKILL)
        said += process.stderr.read().decode().splitlines(keepends=True)
    assert said[0].endswith("(most recent call first):\n")
    assert said[1:] == [
        '  File "<string>", line 6 in is_deadlocked\n',
        '  File "<string>", line 9 in <module>\n',
    ]
