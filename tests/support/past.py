"""A server that was told things at two times, so that it can be asked what was known between."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tests.support.http_server import Served, copied, served
from tests.support.projected import record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from domain.delivery import Delivery


class Past(NamedTuple):
    """A server whose log came in two parts; at `between` the first was known, and nothing else."""

    server: Served
    conninfo: str
    between: str


@contextmanager
def told_twice(
    cluster: str, template: str, first: Sequence[Delivery], then: Sequence[Delivery]
) -> Iterator[Past]:
    """Record both parts, one after the other, and serve until the block ends."""
    with copied(cluster, template) as conninfo:
        record(conninfo, first)
        with served(conninfo) as server:
            position = int(server.get("/readyz")["log_position"])
            (last,) = server.get("/v1/events", after=str(position - 1))["items"]
            record(conninfo, then)
            server.get("/v1/refusals", min_position=server.get("/readyz")["log_position"])
            yield Past(server, conninfo, last["recorded_at"])


@contextmanager
def told_in_halves(cluster: str, template: str, deliveries: Sequence[Delivery]) -> Iterator[Past]:
    """Do the same with the halves of a history."""
    half = len(deliveries) // 2
    with told_twice(cluster, template, deliveries[:half], deliveries[half:]) as past:
        yield past
