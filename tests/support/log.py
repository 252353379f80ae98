"""The log as it stands in its table, read without the code that wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ledger.integrity.hash_chain import GENESIS, Row, link
from tests.support.connected import connected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

_SELECT = """
    SELECT originator_id, originator_version, topic, state, notification_id, webhook_id,
        recorded_at, hash
    FROM raphus.ledger_events ORDER BY notification_id
"""


class Line(NamedTuple):
    """One row of the table."""

    originator_id: str
    originator_version: int
    topic: str
    state: bytes
    position: int
    webhook_id: str
    recorded_at: datetime
    hash: bytes

    @property
    def delivery(self) -> tuple[str, str, str, bytes]:
        """The webhook-id, the timestamp, the signature and the body, as stored in format 1."""
        assert self.state[0] == 1
        return msgspec.msgpack.decode(self.state[1:], type=tuple[str, str, str, bytes])


def lines(conninfo: str) -> list[Line]:
    """Read the whole log, in the order of positions."""
    with connected(conninfo) as conn:
        return [Line(*row) for row in conn.execute(_SELECT)]


def told_to_us(conninfo: str) -> list[Line]:
    """Read the log without what it has announced itself."""
    return [line for line in lines(conninfo) if not line.originator_id.startswith("announcement/")]


def positions(conninfo: str) -> dict[tuple[str, bytes], int]:
    """Read where each pair of a webhook-id and a body stands; none may stand twice."""
    log = lines(conninfo)
    assert [line.position for line in log] == list(range(1, len(log) + 1))
    found = {(line.webhook_id, line.delivery[3]): line.position for line in log}
    assert len(found) == len(log)
    return found


def broken_links(log: list[Line]) -> list[int]:
    """Work the chain out again, and return the positions where it does not hold."""
    return list(_broken_links(log))


def _broken_links(log: list[Line]) -> Iterator[int]:
    previous = GENESIS
    for line in log:
        if link(previous, Row(*line[:7])) != line.hash:
            yield line.position
        previous = line.hash
