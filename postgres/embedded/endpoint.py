"""Where the embedded server is reached: a private socket directory, and a TCP port in tests."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from postgres.embedded.accounts import Account
from postgres.embedded.cluster import DATABASE, USER
from postgres.embedded.errors import ADVICE, EmbeddedPostgresError
from postgres.embedded.ping import takes_connections

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 5432

SOCKET_ROOT = Path("/tmp")  # noqa: S108 - the directory in it is checked before each use
"""A socket's path may have 107 bytes, too few for one under most homes. Not $TMPDIR, which
differs between processes that share a cluster."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server's addresses; all processes of a cluster agree on them."""

    socket_directory: Path
    owner_uid: int
    port: int = DEFAULT_PORT
    listen_address: str = ""

    @classmethod
    def of(cls, data: Path, account: Account) -> Endpoint:
        """Return the endpoint of a data directory's server when it listens on no TCP port."""
        name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
        return cls(SOCKET_ROOT / f"raphus-{account.uid}-{name}", account.uid)

    @property
    def url(self) -> str:
        """The database over the unix socket."""
        return f"postgresql://{USER}@/{DATABASE}?host={self.socket_directory}&port={self.port}"

    @property
    def tcp_url(self) -> str | None:
        """The database over TCP, if the server listens there."""
        if not self.listen_address:
            return None
        return f"postgresql://{USER}@{self.listen_address}:{self.port}/{DATABASE}"

    def answers(self) -> bool:
        """Tell whether the server takes connections, or would if it had any left.

        Raises:
            EmbeddedPostgresError: somebody else could be listening in its place.
        """
        if not self.socket_directory.exists():
            return False
        self._check()
        path = self.socket_directory / f".s.PGSQL.{self.port}"
        return takes_connections(path, USER, DATABASE)

    def prepare(self, account: Account) -> None:
        """Make the socket directory, which nobody else can enter, and empty it.

        Raises:
            EmbeddedPostgresError: something else lies there.
            OSError: it cannot be made.
        """
        if not self.socket_directory.exists():
            self.socket_directory.mkdir(mode=0o700)
            account.own(self.socket_directory)
        self._check()
        self._remove_sockets()

    def remove(self) -> None:
        """Remove the socket directory of a server that has stopped."""
        if self.socket_directory.exists():
            self._remove_sockets()
            self.socket_directory.rmdir()

    def _check(self) -> None:
        """Refuse a directory that another user laid there, or that others may enter."""
        status = self.socket_directory.lstat()
        private = stat.S_ISDIR(status.st_mode) and not stat.S_IMODE(status.st_mode) & 0o077
        if not private or status.st_uid != self.owner_uid:
            raise EmbeddedPostgresError(
                f"{self.socket_directory} is not the database's private directory: somebody else "
                f"made or opened it. Remove it. {ADVICE}"
            )

    def _remove_sockets(self) -> None:
        for leftover in self.socket_directory.glob(".s.PGSQL.*"):
            leftover.unlink(missing_ok=True)


def free_port() -> int:
    """Return a TCP port that nobody on this machine listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
