"""A rebuild that is cancelled, killed, or cannot be done: the tables stay as they were."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest

from ledger.following.pages import LogError
from projections.rebuild import workers as folding
from projections.rebuild.rebuild import COMPARE, RebuildError
from tests.support.deliveries import renewals
from tests.support.projected import (
    project,
    record,
    shown,
)
from tests.support.rebuilds import (
    COMMIT,
    PHASES,
    after_folding,
    at,
    execute,
    killed_at,
    nothing_is_left,
    rebuilt,
    replayed,
    tamper,
)
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack

    from tests.support.http_server import CopyOf


class CancelledError(Exception):
    pass


def cancel() -> None:
    raise CancelledError


def fall_behind(database: str) -> None:
    """Leave the follower some events, and the tables what a rebuild has to mend."""
    tamper(database)
    record(database, renewals(range(100)))


@pytest.fixture
def behind(copy_of: CopyOf) -> Iterator[str]:
    """Give a database whose read models are neither right nor at the end of the log."""
    with copy_of(fall_behind) as conninfo:
        yield conninfo


@pytest.fixture(scope="module")
def right(copy_of: CopyOf) -> dict[str, list[str]]:
    """Read what they would be, had all been followed as it was told."""
    with copy_of(fall_behind) as conninfo:
        return replayed(conninfo)


@pytest.mark.parametrize("moment", [*PHASES, COMMIT])
def test_cancelled_at_any_moment_it_changes_nothing(behind: str, moment: str) -> None:
    before = of_the_merchant(behind)
    with pytest.raises(CancelledError):
        rebuilt(behind, after_folding(lambda: project(behind), at(moment, cancel)))
    until(lambda: nothing_is_left(behind))
    assert of_the_merchant(behind) == before


@pytest.mark.parametrize("moment", [*PHASES, COMMIT])
def test_killed_at_any_moment_it_changes_nothing_and_the_next_one_works(
    behind: str, right: dict[str, list[str]], moment: str
) -> None:
    before = of_the_merchant(behind)
    assert killed_at(behind, moment) == -9
    assert of_the_merchant(behind) == before
    project(behind)
    assert not rebuilt(behind).equal
    until(lambda: nothing_is_left(behind))
    assert shown(behind) == right


def test_two_at_once_are_one_too_many(tampered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = 0

    def second() -> None:
        nonlocal refusals
        # For the second one only: what a rebuild held is free soon after it, not at once.
        with monkeypatch.context() as patch:
            patch.setattr("projections.rebuild.rebuild.ALONE_AFTER_S", 0.1)
            with pytest.raises(RebuildError, match="another rebuild, or an erasure, is running"):
                rebuilt(tampered)
        refusals += 1

    assert not rebuilt(tampered, at(COMPARE, second)).equal
    assert refusals > 0
    assert rebuilt(tampered).equal


def test_a_process_that_dies_is_an_error(tampered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start, before = folding._start, shown(tampered)

    def start_and_kill(stack: ExitStack, part: folding.Part) -> subprocess.Popen[bytes]:
        process = start(stack, part)
        if part.number == part.parts - 1:
            process.kill()
        return process

    monkeypatch.setattr(folding, "_start", start_and_kill)
    with pytest.raises(RebuildError, match="has failed: it ended with -9"):
        rebuilt(tampered)
    until(lambda: nothing_is_left(tampered))
    assert shown(tampered) == before


def test_an_event_that_cannot_be_folded_is_an_error_that_quotes_nothing(database: str) -> None:
    record(database, renewals(range(5)))
    project(database)
    execute(
        database,
        "UPDATE raphus.ledger_events SET state = '\\xff73656372' WHERE notification_id = 3",
    )
    with pytest.raises(RebuildError, match=r"UnknownFormatError at mapper\.py:\d+$"):
        rebuilt(database)
    until(lambda: nothing_is_left(database))


def test_a_database_that_goes_away_is_an_error(tampered: str) -> None:
    before = shown(tampered)

    def cut() -> None:
        execute(
            tampered,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
            " application_name = 'raphus-rebuild' AND datname = current_database()",
        )

    with pytest.raises((RebuildError, psycopg.OperationalError)):
        rebuilt(tampered, at(COMPARE, cut))
    assert shown(tampered) == before
    rebuilt(tampered)
    until(lambda: nothing_is_left(tampered))


def test_a_log_that_has_lost_what_is_shown_changes_nothing(tampered: str) -> None:
    before = shown(tampered)
    execute(tampered, "DELETE FROM raphus.ledger_events WHERE notification_id = 7")
    with pytest.raises(LogError, match=r"of the \d+ events"):
        rebuilt(tampered)
    assert shown(tampered) == before


def test_read_models_that_are_ahead_of_the_log_stay_as_they_are(tampered: str) -> None:
    before = shown(tampered)
    with pytest.raises(LogError, match="the log ends before"):
        rebuilt(
            tampered,
            after_folding(
                lambda: execute(
                    tampered,
                    "UPDATE"
                    " raphus.projections_tracking SET notification_id = notification_id + 1"
                    " WHERE application_name = 'ledger'",
                )
            ),
        )
    assert shown(tampered) == before


def of_the_merchant(database: str) -> dict[str, list[str]]:
    """The rows of the simulated merchant, to whose history nothing is added here."""
    return {
        table: [row for row in rows if "bus_demo" in row] for table, rows in shown(database).items()
    }
