"""How many processes take requests by themselves: by cores and memory, those that may be used."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from cli.serving import room
from cli.serving.room import WORKERS_MAX

if TYPE_CHECKING:
    from pathlib import Path

GIB = 2**30


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 8 cores and 64 GiB; what is written into the folder limits a container."""
    sizes = {"SC_PAGE_SIZE": 4_096, "SC_PHYS_PAGES": 64 * GIB // 4_096}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    monkeypatch.setattr(room, "_CGROUP", tmp_path)
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="there is one process always")
@pytest.mark.parametrize(
    ("cpu", "memory", "workers"),
    [
        (None, None, 4),
        ("max 100000", "max", 4),
        ("200000 100000", None, 1),
        ("100000 100000", None, 0),
        (None, str(3 * GIB), 3),
        (None, str(GIB // 2), 0),
    ],
)
def test_each_two_cores_take_one_where_there_is_memory(
    machine: Path, cpu: str | None, memory: str | None, workers: int
) -> None:
    if cpu is not None:
        (machine / "cpu.max").write_text(cpu)
    if memory is not None:
        (machine / "memory.max").write_text(memory)
    assert room.workers(None) == workers


@pytest.mark.skipif(sys.platform == "win32", reason="there is one process always")
def test_a_large_machine_has_no_more_than_are_of_use(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert machine.exists()
    assert room.workers(None) == WORKERS_MAX
    assert room.workers(0) == 0
    assert room.workers(20) == 20
