"""Until when a simulated merchant's history is played."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta, timezone

import pytest

from cli.commands.simulate import add_play, play_in
from simulator import BEGAN_AT


def until(*arguments: str) -> datetime:
    parser = ArgumentParser()
    add_play(parser, lost=0.0)
    return play_in(parser.parse_args(arguments)).until


def test_it_ends_now() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    assert before <= until() <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-10-01", datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-10-01T12:30:00Z", datetime(2026, 10, 1, 12, 30, tzinfo=UTC)),
        (
            "2026-10-01T12:30:00+05:30",
            datetime(2026, 10, 1, 12, 30, tzinfo=timezone(timedelta(hours=5.5))),
        ),
    ],
)
def test_or_at_the_day_or_time_that_is_asked_for(text: str, instant: datetime) -> None:
    assert until("--until", text) == instant
    assert until("--until", text).tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["", "now", "2026-10", "20261001", "2026-10-01T12:30:00", "2026-02-30", "1" * 400]
)
def test_what_is_no_day_and_no_time_is_told(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        until("--until", text)
    assert "must be a day as 2026-10-01, or a time as" in capsys.readouterr().err


@pytest.mark.parametrize(
    "instant", [BEGAN_AT, datetime.now(UTC) + timedelta(days=1), datetime.max.replace(tzinfo=UTC)]
)
def test_it_ends_within_the_merchants_life(
    instant: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        until("--until", instant.isoformat())
    assert "when the merchant begins" in capsys.readouterr().err
