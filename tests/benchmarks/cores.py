"""How many webhooks/s so many cores allow, by the processor time that each part takes for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cli.serving.room import WORKERS_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUESTS: Final = "requests"
FOLLOWER: Final = "follower"
FOLLOWERS: Final = "PostgreSQL's follower"
WRITERS: Final = "PostgreSQL's writer"


def limits_per_s(parts_us: Mapping[str, float], cores: int) -> dict[str, float]:
    """Return how many webhooks/s each thing allows of which there is only so much.

    The cores are all that there is. A worker has one interpreter. The follower waits for its
    connection, so both are one after the other; and commits do not overlap. It is the most that
    these costs allow: neither the disk is asked, nor how cores share memory.
    """
    workers = workers_on(cores)
    costs_us = {
        f"{cores} cores": sum(parts_us.values()) / cores,
        f"{workers} worker{'s' if workers > 1 else ''}": parts_us[REQUESTS] / workers,
        "the follower and its connection": parts_us[FOLLOWER] + parts_us[FOLLOWERS],
        "commits, one after the other": parts_us[WRITERS],
    }
    return {what: 1e6 / us for what, us in costs_us.items() if us}


def workers_on(cores: int) -> int:
    """Return how many workers a server chooses by itself, where there is memory enough."""
    return max(min(cores // 2, WORKERS_MAX), 1)


def told(limits: Mapping[str, float]) -> str:
    """Write the arithmetic: what each allows, the least first, which is what there can be."""
    least_first = sorted(limits.items(), key=lambda limit: limit[1])
    return "; ".join(f"{what}: {per_s:,.0f}" for what, per_s in least_first)
