"""What is counted: sums over processes, in Prometheus' words, that never go back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import pytest

from api.counters import (
    BATCH,
    COLUMNS,
    DELIVERIES,
    FACTS,
    OTHER,
    QUEUE,
    REFUSED,
    UNREAD,
    Counters,
)
from api.metrics import Metrics
from telemetry.board import Board, Standing, shared

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ["worker 1", "worker 2"]


@pytest.fixture
def boards() -> Iterator[list[Board]]:
    with shared(NAMES[0], NAMES, COLUMNS) as place:
        boards = [Board(msgspec.structs.replace(place, name=name)) for name in NAMES]
        for board in boards:
            board.own.stand(Standing.READY)
        yield boards


def told(board: Board, name: str) -> dict[str, float]:
    """Read the lines of a metric, as whoever scrapes this process gets them."""
    text = Metrics(board).exposition().decode()
    lines = re.findall(rf"^({name}\S*) (\S+)$", text, re.MULTILINE)
    return {line.removeprefix(name): float(value) for line, value in lines}


def test_counts_are_sums_over_processes_whoever_tells_them(boards: list[Board]) -> None:
    for number, board in enumerate(boards, start=1):
        Counters(board).count(DELIVERIES, "payment.succeeded", "recorded", by=number)
    Counters(boards[1]).count(DELIVERIES, UNREAD, "unverified")
    lines = {
        '{outcome="recorded",type="payment.succeeded"}': 3.0,
        '{outcome="unverified",type="unread"}': 1.0,
    }
    assert told(boards[0], "raphus_deliveries_total") == lines
    assert told(boards[1], "raphus_deliveries_total") == lines


def test_what_a_process_has_counted_counts_after_its_death_and_its_queue_does_not(
    boards: list[Board],
) -> None:
    dying = Counters(boards[1])
    dying.count(REFUSED, "unauthorized")
    dying.show(QUEUE, 7)
    assert told(boards[0], "raphus_queue_deliveries") == {"": 7.0}
    boards[1].own.stand(Standing.ABSENT)
    assert told(boards[0], "raphus_queue_deliveries") == {"": 0.0}
    assert told(boards[0], "raphus_refused_requests_total") == {'{code="unauthorized"}': 1.0}
    successor = Counters(boards[1])
    boards[1].own.stand(Standing.READY)
    assert successor.shown(QUEUE) == 0
    successor.count(REFUSED, "unauthorized")
    assert told(boards[0], "raphus_refused_requests_total") == {'{code="unauthorized"}': 2.0}


@pytest.mark.parametrize(
    ("counter", "values"), [(FACTS, ("made.up", "applied")), (REFUSED, ("no_such_code",))]
)
def test_what_is_not_known_counts_as_other(
    boards: list[Board], counter: object, values: tuple[str, ...]
) -> None:
    assert counter in (FACTS, REFUSED)
    Counters(boards[0]).count(FACTS if counter is FACTS else REFUSED, *values)
    name = "raphus_facts_total" if counter is FACTS else "raphus_refused_requests_total"
    (line,) = told(boards[0], name)
    assert f'"{OTHER}"' in line


def test_a_bucket_holds_all_that_are_no_larger(boards: list[Board]) -> None:
    for size in (1, 2, 3, 500, 501):
        Counters(boards[size % 2]).observe(BATCH, size)
    lines = told(boards[0], "raphus_batch_deliveries")
    assert [lines[f'_bucket{{le="{bound}"}}'] for bound in ("1.0", "2.0", "5.0", "500.0")] == [
        *(1.0, 2.0, 3.0, 4.0)
    ]
    assert lines['_bucket{le="+Inf"}'] == lines["_count"] == 5.0
    assert lines["_sum"] == 1007.0
