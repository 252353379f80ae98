"""Every connection there is to PostgreSQL, and how long it may wait for what.

A database can vanish without a word: packets are dropped, or whatever stands between goes on
acknowledging them. So the server is told when to give up by itself, the kernel when to give up on
a peer that acknowledges nothing, and a connection on which nothing comes is looked after from
another one (`postgres.silence`).
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier, Literal

from postgres.silence import UnansweredError, listening

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from psycopg.sql import Composed

T = TypeVar("T")
Prepared: TypeAlias = "tuple[bytes, tuple[int, ...]]"
"""A statement that is prepared: its text, and the types of its parameters."""

_SERVED: Final = SQL(
    # Of the view, which joins more, planning takes a fifth of what all of connecting does.
    "SELECT pid, extract(epoch FROM backend_start)::text"
    " FROM pg_stat_get_activity(pg_backend_pid())"
)
_IS_WORKING: Final = """
    SELECT wait_event_type IS DISTINCT FROM 'Client' FROM pg_stat_activity
    WHERE pid = %s AND extract(epoch FROM backend_start)::text = %s
"""
_END: Final = """
    SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
    WHERE pid = %s AND extract(epoch FROM backend_start)::text = %s
"""

CONNECT_S: Final = 2
"""How long one address may take to connect us: seconds; libpq knows no less."""
SETTLE_S: Final = 3.0
"""How long a new connection may take to be set up."""
LOOK_S: Final = 2.0
"""How long the server may take to tell whether it works for a silent connection."""
DATABASE_ERRORS: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
)
"""The database is away, too busy or only to be read: nothing is wrong with what it was asked."""

# The client's side, in libpq's words: a server that acknowledges nothing is noticed within 5 s.
_PARAMETERS: Final[dict[str, int]] = {
    "connect_timeout": CONNECT_S,
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5_000,
}
# The server's side: what a client that has vanished held is free again within 10 s.
_VANISHED: Final = {
    "tcp_keepalives_idle": "5s",
    "tcp_keepalives_interval": "2s",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "10s",
}


class Profile(NamedTuple):
    """What connections for one purpose have in common.

    `limits` tell the server when to give up; one that DATABASE_URL sets itself, as in
    `options=-c statement_timeout=5s`, stays as it is set there. `settings` are what the
    statements of that purpose count on. Where it `keeps_plans`, statements that are sent together
    stay prepared: whoever works on such a connection gives it up after a failure, or rolls back
    without psycopg, which has the server forget all that is prepared.
    """

    limits: Mapping[str, str]
    settings: Mapping[str, str]
    keeps_plans: bool = False


WRITING: Final = Profile(
    {
        "statement_timeout": "6s",
        "lock_timeout": "4s",
        "idle_in_transaction_session_timeout": "10s",
    },
    # What is read after a lock is had must be what was committed by then. All statements find their
    # rows by indexes, also while the planner takes the log for a small one.
    {"default_transaction_isolation": "read committed", "enable_seqscan": "off", "jit": "off"},
)
"""For the writer of the log: somebody waits for each of its batches."""
READING: Final = Profile(
    {
        "statement_timeout": "8s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "10s",
    },
    # No question takes as long as compiling it would, whatever the planner thinks that it costs.
    {"default_transaction_read_only": "on", "jit": "off", "timezone": "UTC"},
)
"""For questions: somebody waits for the answer."""
FOLLOWING: Final = Profile(
    {
        "statement_timeout": "60s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "60s",
    },
    # A commit that a crash undoes is made again: the log is still there. So it need not wait for
    # the disk. All statements find their rows by indexes, also while the planner takes a table
    # for a small one; so it need not plan them again, which takes longer than to run them.
    {
        "default_transaction_isolation": "read committed",
        "synchronous_commit": "off",
        "enable_seqscan": "off",
        "plan_cache_mode": "force_generic_plan",
        "jit": "off",
        "timezone": "UTC",
    },
    keeps_plans=True,
)
"""For what follows the log page by page, and for what starts jobs."""
WORKING: Final = Profile(
    {
        "statement_timeout": "0",
        "lock_timeout": "10min",
        "idle_in_transaction_session_timeout": "1h",
    },
    # What takes long may, but not for somebody who has died.
    {"client_connection_check_interval": "1s", "timezone": "UTC"},
)
"""For long work: rebuilding, verifying, snapshots, migrations and the commands."""


class Served(NamedTuple):
    """The process of the server that works for a connection, and how to reach that server.

    `began` is when it began, in seconds: a process' number is given to another one later.
    """

    conninfo: str
    pid: int
    began: str

    def is_working(self) -> bool | None:
        """Ask whether the process does anything but wait for us; None where nobody answers."""
        try:
            with Connection.connect(self.conninfo, autocommit=True) as conn:
                conn.give_up_at = time.monotonic() + LOOK_S
                row = conn.execute(_IS_WORKING, [self.pid, self.began]).fetchone()
        except psycopg.Error:
            return None
        return row is not None and bool(row[0])


class Connection(psycopg.Connection[Any]):
    """A connection that does not wait for a server which does not work for it any more.

    After `give_up_at`, by the monotonic clock, it does not wait at all. Where statements that are
    sent together stay `prepared`, these are their names.
    """

    give_up_at: float | None = None
    served: Served | None = None
    prepared: OrderedDict[Prepared, bytes] | None = None

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:  # noqa: ANN401
        """Wait, as psycopg does.

        Raises:
            UnansweredError: in vain; the connection is closed.
        """
        try:
            heard = _heard(gen, self.served, self.give_up_at)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]  # the type of a generator's end
        try:
            return super().wait(heard, *args, **kwargs)
        except UnansweredError:
            self.close()
            raise


class AsyncConnection(psycopg.AsyncConnection[Any]):
    """The same, for coroutines."""

    give_up_at: float | None = None
    served: Served | None = None

    async def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:  # noqa: ANN401
        """Wait, as psycopg does.

        Raises:
            UnansweredError: in vain; the connection is closed.
        """
        try:
            heard = _heard(gen, self.served, self.give_up_at)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]  # the type of a generator's end
        try:
            return await super().wait(heard, *args, **kwargs)
        except UnansweredError:
            await self.close()
            raise


def _heard(
    gen: Generator[Any, Any, T], served: Served | None, give_up_at: float | None
) -> Generator[Any, Any, T]:
    """Begin one of psycopg's generators, and return the rest of it, to be waited for.

    Raises:
        StopIteration: there is nothing to wait for.
    """
    return listening(gen, next(gen), served and served.is_working, give_up_at)


def connect(
    conninfo: str, profile: Profile, name: str, *, instead_of: Connection | None = None
) -> Connection:
    """Connect, in autocommit mode.

    What is left in the server of the connection that this one takes the place of is ended: it may
    hold locks, and the server may not know yet that nobody is there.

    Raises:
        psycopg.OperationalError: there is no database.
    """
    conn = Connection.connect(conninfo, autocommit=True, **_parameters(conninfo, name))
    try:
        conn.give_up_at = time.monotonic() + SETTLE_S
        if instead_of is not None and instead_of.served is not None:
            conn.execute(_END, [instead_of.served.pid, instead_of.served.began])
        cursor = conn.execute(_settled(conninfo, profile))
        while cursor.nextset():
            pass
        conn.served = _served(conninfo, conn, cursor.fetchone())
        conn.give_up_at = None
        conn.prepared = OrderedDict() if profile.keeps_plans else None
    except BaseException:
        conn.close()
        raise
    return conn


async def connect_async(
    conninfo: str, profile: Profile, name: str, *, instead_of: AsyncConnection | None = None
) -> AsyncConnection:
    """Connect, in autocommit mode, as `connect` does.

    Raises:
        psycopg.OperationalError: there is no database.
    """
    conn = await AsyncConnection.connect(conninfo, autocommit=True, **_parameters(conninfo, name))
    try:
        conn.give_up_at = time.monotonic() + SETTLE_S
        if instead_of is not None and instead_of.served is not None:
            await conn.execute(_END, [instead_of.served.pid, instead_of.served.began])
        cursor = await conn.execute(_settled(conninfo, profile))
        while cursor.nextset():
            pass
        conn.served = _served(conninfo, conn, await cursor.fetchone())
        conn.give_up_at = None
    except BaseException:
        await conn.close()
        raise
    return conn


def _parameters(conninfo: str, name: str) -> dict[str, Any]:
    given = conninfo_to_dict(conninfo)
    ours = {key: value for key, value in _PARAMETERS.items() if key not in given}
    return {**ours, "application_name": name}


def _settled(conninfo: str, profile: Profile) -> Composed:
    given = conninfo_to_dict(conninfo)
    theirs = _names_in(str(given.get("options", "")))
    limits = {**_VANISHED, **profile.limits}
    ours = {name: value for name, value in limits.items() if name not in theirs}
    statements = [
        SQL("SET {} TO {}").format(Identifier(name), Literal(value))
        for name, value in {**ours, **profile.settings}.items()
    ]
    return SQL("; ").join([*statements, _SERVED])


def _names_in(options: str) -> set[str]:
    """Return the names of what is set: by `-c name=value`, `-cname=value` or `--name=value`."""
    names = re.findall(r"(?:^|\s)(?:-c\s*|--)([\w.-]+)\s*=", options)
    return {name.replace("-", "_").lower() for name in names}


def _served(
    conninfo: str,
    conn: psycopg.Connection[Any] | psycopg.AsyncConnection[Any],
    row: Any,  # noqa: ANN401
) -> Served:
    # By the very address: a URL may name several.
    info = conn.info
    there = make_conninfo(
        conninfo,
        host=info.host or None,
        hostaddr=info.hostaddr or None,
        port=info.port,
        target_session_attrs="any",
        **_parameters(conninfo, "raphus-look"),
    )
    return Served(there, *row)
