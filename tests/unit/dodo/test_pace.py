"""How fast Dodo is asked, and what is made of what it says of waiting."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodo.errors import LimitedError, StoppedError
from dodo.pace import BURST_SHARE, Pace, http_date


@pytest.mark.parametrize(("per_second", "per_minute"), [(40, 240), (100, 1_000), (500, 5_000)])
def test_what_is_asked_at_once_is_within_dodos_limit_of_a_second(
    per_second: int, per_minute: int
) -> None:
    assert per_minute * BURST_SHARE + per_minute / 60 <= per_second


def test_more_than_a_burst_takes_the_time_that_the_limit_says() -> None:
    pace = Pace(6_000)
    began_s = time.monotonic()
    for _ in range(300 + 40):
        pace.turn()
    assert time.monotonic() - began_s >= 40 / 100 - 0.001


def test_a_limit_of_one_a_minute_lets_the_first_go_at_once() -> None:
    stop = threading.Event()
    pace = Pace(1, stop=stop)
    pace.turn()
    stop.set()
    with pytest.raises(StoppedError):
        pace.turn()


@pytest.mark.parametrize(("per_minute", "attempts"), [(0, 1), (1, 0)])
def test_a_pace_that_asks_nothing_is_none(per_minute: int, attempts: int) -> None:
    with pytest.raises(ValueError, match="less than one"):
        Pace(per_minute, attempts_max=attempts)


def test_what_is_said_last_does_not_shorten_what_was_said_before() -> None:
    pace = Pace(60_000, wait_max_s=10)
    pace.failed(1, {"retry-after": "3600"})
    pace.failed(2, {"retry-after": "0"})
    pace.heed({"x-ratelimit-remaining": "7", "x-ratelimit-reset": "1"})
    with pytest.raises(LimitedError):
        pace.turn()


@given(st.text(max_size=30))
def test_whatever_stands_in_the_headers_is_waited_for_or_left_alone(text: str) -> None:
    pace = Pace(60_000, backoff_s=(0.0, 0.0))
    pace.heed({"x-ratelimit-remaining": "0", "x-ratelimit-reset": text, "date": text})
    pace.failed(1, {"retry-after": text, "date": text})
    assert pace.again_at().tzinfo is not None


@given(st.text(max_size=40))
def test_a_date_is_read_or_none(text: str) -> None:
    date = http_date(text)
    assert date is None or date.utcoffset() is not None


@pytest.mark.parametrize("text", ["nan", "inf", "1e9", "-1", "0x10", "²", "1.2.3", "9" * 21, ""])
def test_what_is_no_number_of_seconds_is_not_waited_for(text: str) -> None:
    pace = Pace(60_000, backoff_s=(0.0, 0.0), wait_max_s=1)
    pace.failed(1, {"retry-after": text})
    pace.turn()
