"""Who uses a cluster: the first one in starts its server, the last one out stops it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from threading import Event, Thread
from typing import Self

from postgres.embedded.accounts import server_account
from postgres.embedded.errors import ADVICE, EmbeddedPostgresError
from postgres.embedded.locks import FileLock, exclusive
from postgres.embedded.patience import Patience
from postgres.embedded.server import Server

logger = logging.getLogger(__name__)

START_LIMIT_S = 900.0
"""Crash recovery replays up to `max_wal_size` of log, on slow disks for minutes."""

STOP_LIMIT_S = 120.0
WATCH_INTERVAL_S = 0.1
RETRY_INTERVAL_S = 1.0


class EmbeddedPostgres:
    """Context manager. The cluster in `home`/postgres, shared by every process that opens it.

    The last one out stops its server. While it is open a thread watches the server, and starts
    it again when it dies.
    """

    def __init__(self, home: Path, *, durable: bool = True, tcp: bool = False) -> None:
        """Name the cluster; nothing happens yet.

        Args:
            home: the directory that holds it; made when missing.
            durable: False for tests only: commits do not reach the disk.
            tcp: listen on the loopback too, for tests only; the cluster must be made with it.
        """
        self._home = home
        self._durable = durable
        self._tcp = tcp
        self._server: Server | None = None
        self._users: FileLock | None = None
        self._stopping = Event()
        self._watcher: Thread | None = None

    @property
    def url(self) -> str:
        """A DATABASE_URL over the private unix socket, once started."""
        return self._started().endpoint.url

    @property
    def tcp_url(self) -> str | None:
        """A DATABASE_URL over TCP, or None without `tcp`."""
        return self._started().endpoint.tcp_url if self._tcp else None

    @property
    def postmaster_pid(self) -> int | None:
        """The pid of the postmaster as it runs now; None when none does."""
        return self._started().pid

    def start(self) -> Self:
        """Join the cluster's users; make the cluster and start its server if need be.

        Raises:
            EmbeddedPostgresError: the home or its cluster cannot be used; the message says why.
        """
        if self._users is not None:
            return self
        try:
            self._join()
        except OSError as error:
            raise EmbeddedPostgresError(
                f"{self._home} cannot hold the embedded database: {error}. {ADVICE}"
            ) from error
        try:
            self._stopping.clear()
            self._watcher = Thread(target=self._watch, name="postgres-watcher", daemon=True)
            self._watcher.start()
        except BaseException:  # told to end, by Ctrl-C for one
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Leave the cluster's users, and stop the server if there are no others.

        Raises:
            EmbeddedPostgresError: the server does not stop.
        """
        if self._users is None:
            return
        self._stopping.set()
        if self._watcher is not None and self._watcher.is_alive():
            self._watcher.join()
        try:
            with exclusive(self._start_lock, _to_stop()):
                self._leave(self._started(), self._users)
        except OSError as error:
            raise EmbeddedPostgresError(f"PostgreSQL cannot be stopped: {error}.") from error
        finally:
            self._users.close()
            self._users = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _directory(self) -> Path:
        return self._home / "postgres"

    @property
    def _start_lock(self) -> Path:
        return self._directory / ".start"

    def _started(self) -> Server:
        if self._server is None:
            raise EmbeddedPostgresError("The embedded database has not been started.")
        return self._server

    def _join(self) -> None:
        if sys.platform == "win32":
            raise EmbeddedPostgresError(
                "The embedded database does not run on Windows. Set DATABASE_URL to a "
                "PostgreSQL server of your own."
            )
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._home = self._home.resolve()  # one cluster has one path, and so one socket
        self._directory.mkdir(mode=0o700, exist_ok=True)
        patience = Patience("PostgreSQL to start", START_LIMIT_S)
        with exclusive(self._start_lock, patience):
            account = server_account(self._directory / "data")
            server = Server(self._directory, account, durable=self._durable, tcp=self._tcp)
            users = FileLock(self._directory / ".users")
            try:
                if not users.try_shared():  # its exclusive holders hold the start lock too
                    raise EmbeddedPostgresError(f"{self._directory} is locked by hand. {ADVICE}")
                server.ensure(patience)
            except (EmbeddedPostgresError, OSError):
                users.close()  # what was started may still be recovering: let it
                raise
            except BaseException:  # told to end, by Ctrl-C for one
                self._leave(server, users)
                raise
        self._server, self._users = server, users

    @staticmethod
    def _leave(server: Server, users: FileLock) -> None:
        """Stop the server if nobody else uses it; only for who holds the start lock."""
        if users.try_exclusive():
            server.stop(_to_stop())
        users.close()

    def _watch(self) -> None:
        """Start the server again whenever it has died, until told to stop."""
        server = self._started()
        while not self._stopping.wait(WATCH_INTERVAL_S):
            try:
                server.limit_log()
                if not server.seems_alive():
                    self._restart(server)
            except (EmbeddedPostgresError, OSError) as error:
                if not self._stopping.is_set():
                    logger.error("PostgreSQL is down: %s", error)  # noqa: TRY400 - says it all
                self._stopping.wait(RETRY_INTERVAL_S)

    def _restart(self, server: Server) -> None:
        patience = Patience("PostgreSQL to start again", START_LIMIT_S, self._stopping)
        with exclusive(self._start_lock, patience):
            server.ensure(patience)
        logger.warning("PostgreSQL had died, and runs again with pid %s", server.pid)


def _to_stop() -> Patience:
    return Patience("PostgreSQL to stop", STOP_LIMIT_S)
