"""The server process of a cluster: starting it, waiting for it, stopping it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from postgres.embedded import processes
from postgres.embedded.accounts import Account
from postgres.embedded.binaries import find_binaries
from postgres.embedded.cluster import Cluster
from postgres.embedded.endpoint import LOOPBACK, Endpoint, free_port
from postgres.embedded.errors import ADVICE, EmbeddedPostgresError
from postgres.embedded.locks import FileLock
from postgres.embedded.patience import Patience

logger = logging.getLogger(__name__)

LAUNCH_LIMIT_S = 30.0
LOG_LIMIT_BYTES = 4 * 1024 * 1024
LOG_TAIL_BYTES = 2000

DETACH = 'exec "$@" </dev/null >&2 &'
"""The shell's way of leaving a program behind that is no child of ours."""

ALWAYS = {
    "unix_socket_permissions": "0700",
    # The log: what happens to the server, and never a statement, a value or a detail of a row.
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
}
"""Settings given on the command line, which hold whatever the cluster's files say."""

DURABILITY = ("fsync", "full_page_writes", "synchronous_commit")


class Server:
    """The one server of a cluster, whoever of its users started it.

    Every process of it inherits a lock on `.server`. While that is held something of the server
    is alive, and once it is free nothing is: not a busy backend that outlived its postmaster,
    and not a server in another container, whose pids and sockets are out of sight.
    """

    def __init__(self, directory: Path, account: Account, *, durable: bool, tcp: bool) -> None:
        self._directory = directory
        self._cluster = Cluster(directory / "data", account)
        self._durable = durable
        self._tcp = tcp
        self._log = directory / "log"
        self.endpoint = Endpoint.of(self._cluster.data, account)
        if tcp:
            self.endpoint = replace(self.endpoint, port=free_port(), listen_address=LOOPBACK)

    @property
    def pid(self) -> int | None:
        """The postmaster's pid, or None where none runs."""
        postmaster = self._cluster.postmaster()
        if postmaster and processes.is_server(postmaster.pid, self._cluster.data):
            return postmaster.pid
        return None

    def seems_alive(self) -> bool:
        """Tell, cheaply, whether there is no sign that the postmaster has died."""
        postmaster = self._cluster.postmaster()
        if postmaster is None or not processes.exists(postmaster.pid):
            return False
        with self._lock() as lock:
            return not lock.try_shared()

    def ensure(self, patience: Patience) -> None:
        """Return when the server takes connections; start it if need be.

        Only for whoever holds the cluster's `.start` lock. Crash recovery may take minutes.

        Raises:
            EmbeddedPostgresError: it cannot be started, or is not ready in time.
            OSError: the directory cannot be used.
        """
        launched = False
        while not self._joined():
            with self._lock() as lock:
                if not lock.try_exclusive():
                    self._check_reachable()
                elif launched:
                    raise EmbeddedPostgresError(f"PostgreSQL ended at once. {self._said()}")
                else:
                    self._launch(lock)
                    launched = True
            self._end_orphans()
            if not patience.pause():
                raise EmbeddedPostgresError(f"PostgreSQL is not ready in time. {self._said()}")

    def stop(self, patience: Patience) -> None:
        """Stop the server if it runs; unfinished transactions are rolled back.

        Only for whoever holds the cluster's `.start` lock and is its only user.

        Raises:
            EmbeddedPostgresError: it did not end in time.
        """
        asked = None
        with self._lock() as lock:
            while not lock.try_exclusive():
                pid = self.pid
                if pid and pid != asked:
                    _send(signal.SIGINT, pid)
                    asked = pid
                self._end_orphans()
                if not patience.pause():
                    raise EmbeddedPostgresError(f"PostgreSQL does not stop. {self._said()}")
            self.endpoint.remove()

    def limit_log(self) -> None:
        """Empty the log when it has grown too long."""
        if self._log.exists() and self._log.stat().st_size > LOG_LIMIT_BYTES:
            os.truncate(self._log, 0)

    def _lock(self) -> FileLock:
        return FileLock(self._directory / ".server")

    def _joined(self) -> bool:
        """Connect to a running server, and take over the address that it has."""
        endpoint = self.endpoint
        running = self._cluster.postmaster()
        if running and running.port:
            endpoint = replace(endpoint, port=running.port, listen_address=running.listen_address)
        if not endpoint.answers():
            return False
        if self._tcp and not endpoint.listen_address:
            raise EmbeddedPostgresError("PostgreSQL already runs, and without TCP.")
        self.endpoint = endpoint
        return True

    def _check_reachable(self) -> None:
        """Refuse to wait for a server that runs, but where no socket of it can be seen."""
        directory = self.endpoint.socket_directory
        if self._cluster.postmaster() and not directory.exists():
            raise EmbeddedPostgresError(
                f"PostgreSQL runs on {self._cluster.data}, but its socket directory {directory} "
                "is not here: it was removed, or the server runs in another container. Stop "
                f"that server (SIGINT to its pid, {self.pid or 'not visible here'}). {ADVICE}"
            )

    def _launch(self, lock: FileLock) -> None:
        """Start the server, which inherits the lock."""
        account, data = self._cluster.account, self._cluster.data
        major = self._cluster.major()
        binaries = find_binaries(account, major)
        if major is None:
            self._cluster.create(binaries, lock, durable=self._durable, tcp=self._tcp)
        if pid := self.pid:
            raise EmbeddedPostgresError(
                f"A PostgreSQL server that Raphus did not start runs on {data}, with pid {pid}. "
                f"Stop it. {ADVICE}"
            )
        self.endpoint.prepare(account)
        self._cluster.remove_postmaster_file()
        log = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            with account.reaching(data) as (path, descriptors):
                command = [str(binaries.directory / "postgres"), "-D", path, *self._options()]
                account.run(
                    ["/bin/sh", "-c", DETACH, "sh", *command],
                    inherited=(*descriptors, lock.fileno()),
                    limit_s=LAUNCH_LIMIT_S,
                    stderr=log,
                )
        except subprocess.SubprocessError as error:
            raise EmbeddedPostgresError(f"PostgreSQL cannot be started: {error}") from error
        finally:
            os.close(log)

    def _options(self) -> list[str]:
        settings = ALWAYS | dict.fromkeys(DURABILITY, "on" if self._durable else "off")
        settings["unix_socket_directories"] = str(self.endpoint.socket_directory)
        settings["listen_addresses"] = self.endpoint.listen_address
        settings["port"] = str(self.endpoint.port)
        return [f"--{name}={value}" for name, value in settings.items()]

    def _end_orphans(self) -> None:
        """End backends that outlived their postmaster, which a long statement lets them do."""
        postmaster = self._cluster.postmaster()
        if postmaster is None or processes.exists(postmaster.pid):
            return
        for pid in processes.orphans(self._cluster.data):
            logger.warning("ending a backend of PostgreSQL (pid %d) without a postmaster", pid)
            _send(signal.SIGQUIT, pid)

    def _said(self) -> str:
        """Return the end of the log, for an error."""
        if not self._log.exists():
            return ""
        tail = self._log.read_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", errors="replace")
        return f"Its log, {self._log}, ends with:\n{tail}"


def _send(number: signal.Signals, pid: int) -> None:
    """Send a signal to a process that may have ended meanwhile."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
