"""A silent connection is given up at the server's word, and not before what came is heard."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from postgres.silence import UnansweredError, listening
from tests.support.waiting import GUARD_S

if TYPE_CHECKING:
    from collections.abc import Generator

NOTHING, SOMETHING = 0, 1
GRACE_S = 0.02


def statement() -> Generator[str, int, str]:
    """Wait until something comes, as psycopg's generators do, and return what it was."""
    while not (yield "readable"):
        pass
    return "rows"


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Generator[str, int, str]:
    """A statement that waits, of which the server has said that it works for it no more."""
    monkeypatch.setattr("postgres.silence.SILENCE_S", -1.0)
    monkeypatch.setattr("postgres.silence.GRACE_S", GRACE_S)
    gen = statement()
    wait = listening(gen, next(gen), lambda: False, None)
    next(wait)
    before = set(threading.enumerate())
    wait.send(NOTHING)
    for asking in set(threading.enumerate()) - before:
        asking.join(GUARD_S)
    time.sleep(10 * GRACE_S)  # in which we do not run, as on a busy machine
    return wait


def test_what_came_while_we_did_not_run_is_heard(waiting: Generator[str, int, str]) -> None:
    waiting.send(NOTHING)
    with pytest.raises(StopIteration) as done:
        waiting.send(SOMETHING)
    assert done.value.value == "rows"


def test_what_stays_silent_after_the_servers_word_is_given_up(
    waiting: Generator[str, int, str],
) -> None:
    waiting.send(NOTHING)
    time.sleep(10 * GRACE_S)
    with pytest.raises(UnansweredError):
        waiting.send(NOTHING)
