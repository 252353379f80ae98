"""What PostgreSQL has told those who listen, to the last of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support.waiting import GUARD_S

if TYPE_CHECKING:
    from psycopg import Connection

_LAST: Final = "the last one"


def heard(conn: Connection, channel: str) -> list[str]:
    """Return the payloads of all notices on a channel that the connection listens to, up to now.

    Notices come in the order of the commits: behind one of ours there is none of before.
    """
    conn.execute("SELECT pg_notify(%s, %s)", [channel, _LAST])
    payloads: list[str] = []
    for notice in conn.notifies(timeout=GUARD_S):
        if notice.payload == _LAST:
            return payloads
        payloads.append(notice.payload)
    raise TimeoutError
