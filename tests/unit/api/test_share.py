"""What one process of a server knows of the others by the board."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api.share import FOLLOWER, SILENT_S, SUPERVISOR, Share
from telemetry.board import Board, Standing, shared

OTHER = "worker 2"


@pytest.fixture
def share() -> Iterator[Share]:
    """The share of one of two workers, all of which run."""
    names = ["worker 1", OTHER, FOLLOWER, SUPERVISOR]
    with shared("worker 1", names, 0) as place:
        board = Board(place)
        for row in board.rows.values():
            row.stand(Standing.READY)
        yield Share(board, 2, "secret")


def test_of_those_that_work_nothing_is_said(share: Share) -> None:
    share.board.rows[OTHER].silent_s = SILENT_S
    assert share.absent == {}
    assert share.follower is not None
    assert share.follower.problem is None


@pytest.mark.parametrize("standing", [Standing.ABSENT, Standing.BEGINNING])
def test_one_that_does_not_run_is_told_of(share: Share, standing: Standing) -> None:
    for name in (OTHER, FOLLOWER):
        share.board.rows[name].stand(standing)
    assert share.absent == {OTHER: "the process worker 2 does not run; the server's log tells why"}
    assert share.follower is not None
    assert share.follower.problem == (
        "the process follower does not run; the server's log tells why"
    )


def test_one_that_has_not_moved_for_long_is_told_of(share: Share) -> None:
    for name in (OTHER, FOLLOWER):
        share.board.rows[name].silent_s = SILENT_S + 2.4
    assert share.absent == {OTHER: "the process worker 2 has not moved for 12 s"}
    assert share.follower is not None
    assert share.follower.problem == "the process follower has not moved for 12 s"
