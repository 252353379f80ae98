"""The board: each process has its row, which outlives it, and all see all rows."""

from __future__ import annotations

import os

import msgspec

from telemetry.board import Board, Standing, alone, shared

NAMES = ["worker 1", "worker 2", "supervisor"]


def test_what_one_writes_all_others_see() -> None:
    with shared("supervisor", NAMES, 2) as place:
        own = Board(place)
        other = Board(msgspec.structs.replace(place, name="worker 2"))
        other.own.own[1] = 0.5
        other.own.stand(Standing.LEADING)
        assert list(own.rows["worker 2"].own) == [0.0, 0.5]
        assert own.rows["worker 2"].standing is Standing.LEADING
        assert own.rows["worker 2"].pid == os.getpid()
        assert own.running == [own.rows["worker 2"]]
        assert list(own.own.own) == [0.0, 0.0]


def test_who_begins_in_the_place_of_one_that_died_goes_on_with_its_numbers() -> None:
    with shared("supervisor", NAMES, 1) as place:
        own = Board(place)
        mine = msgspec.structs.replace(place, name="worker 1")
        Board(mine).own.own[0] += 3
        own.rows["worker 1"].stand(Standing.ABSENT)
        assert not own.rows["worker 1"].runs
        Board(mine).own.own[0] += 4
        assert own.rows["worker 1"].own[0] == 7


def test_a_process_whose_start_is_on_its_way_does_not_run_yet() -> None:
    board = alone("server", 0)
    assert board.own.runs
    board.own.stand(Standing.BEGINNING)
    assert not board.own.runs


def test_every_part_of_a_row_stays_within_it() -> None:
    with shared("supervisor", NAMES, 3) as place:
        boards = [Board(msgspec.structs.replace(place, name=name)) for name in NAMES]
        for number, board in enumerate(boards, start=1):
            for column in range(3):
                board.own.own[column] = number
        seen = [list(row.own) for row in boards[0].rows.values()]
        assert seen == [[1.0] * 3, [2.0] * 3, [3.0] * 3]
        assert not boards[0].running
