"""The data directory of the embedded server: making it, its version, its settings."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from postgres.embedded.accounts import Account
from postgres.embedded.binaries import Binaries
from postgres.embedded.errors import ADVICE, EmbeddedPostgresError
from postgres.embedded.locks import FileLock

DATABASE = "raphus"
USER = "postgres"

INITDB_LIMIT_S = 180.0
MESSAGE_LIMIT_CHARACTERS = 2000

PORT_LINE, LISTEN_ADDRESS_LINE = 3, 5
"""Where postmaster.pid has them, counted from 0."""

FIRST_MAJOR_WITH_BUILTIN_LOCALE = 17

SETTINGS = {
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
"""What a new cluster's postgresql.conf says, for a small machine; its owner may change it."""


@dataclass(frozen=True, slots=True)
class PostmasterFile:
    """What a running server writes of itself into its data directory; the port comes last."""

    pid: int
    port: int | None
    listen_address: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """A data directory and the account that owns it."""

    data: Path
    account: Account

    def major(self) -> str | None:
        """Return the major version that made the cluster, or None where there is no cluster.

        Raises:
            EmbeddedPostgresError: the directory holds something else.
        """
        try:
            return (self.data / "PG_VERSION").read_text("utf-8", errors="replace").strip()
        except FileNotFoundError:
            if self.data.exists() and any(self.data.iterdir()):
                raise EmbeddedPostgresError(
                    f"{self.data} is not empty, and not a database of PostgreSQL. {ADVICE}"
                ) from None
            return None

    def postmaster(self) -> PostmasterFile | None:
        """Return what the last server that ran says of itself, dead or alive."""
        try:
            lines = (self.data / "postmaster.pid").read_text("utf-8").splitlines()
            pid = abs(int(lines[0]))  # negative in single-user mode
            if len(lines) <= LISTEN_ADDRESS_LINE:
                return PostmasterFile(pid, None, "")
            return PostmasterFile(pid, int(lines[PORT_LINE]), lines[LISTEN_ADDRESS_LINE].strip())
        except (FileNotFoundError, IndexError, ValueError):
            return None  # there is none, or it is being written

    def create(self, binaries: Binaries, lock: FileLock, *, durable: bool, tcp: bool) -> None:
        """Make the cluster with the database in it; it appears when it is complete.

        The lock is held by every process that works on it, so that whoever comes after a
        killed starter waits for the rest of its work to end.

        Raises:
            EmbeddedPostgresError: one of PostgreSQL's programs failed.
            OSError: the directory cannot be written.
        """
        unfinished = self.data.with_name("data.unfinished")
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        self.account.own(unfinished)
        with self.account.reaching(unfinished) as (path, descriptors):
            setup = _Setup(binaries, self.account, path, (*descriptors, lock.fileno()))
            setup.initialize(durable=durable, tcp=tcp)
            settings = SETTINGS | setup.compression()
            _append(unfinished / "postgresql.conf", settings)
            setup.create_database()
        unfinished.rename(self.data)
        if durable:
            _sync(self.data.parent)

    def remove_postmaster_file(self) -> None:
        """Remove what a dead server left, since its pid may be another process's by now."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Setup:
    """The steps that fill a new data directory, each a program of PostgreSQL's."""

    binaries: Binaries
    account: Account
    path: str
    inherited: tuple[int, ...]

    def initialize(self, *, durable: bool, tcp: bool) -> None:
        """Run initdb."""
        command = ["initdb", "-D", self.path, "--username", USER, "--encoding", "UTF8"]
        # The socket's directory lets in nobody but the owner and root. TCP is for tests.
        command += ["--auth-local=trust", f"--auth-host={'trust' if tcp else 'reject'}"]
        command += ["--data-checksums"] + ([] if durable else ["--no-sync"])
        if int(self.binaries.major) >= FIRST_MAJOR_WITH_BUILTIN_LOCALE:
            self._run(*command, "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
            return
        try:
            self._run(*command, "--locale=C.UTF-8")
        except EmbeddedPostgresError:  # not every system has it
            self._run(*command, "--locale=C")

    def compression(self) -> dict[str, str]:
        """Return the settings for lz4, where these binaries know it.

        Without it pages in the write-ahead log are not compressed: PostgreSQL's own way takes more
        processor time than it spares.
        """
        lz4 = {"wal_compression": "lz4", "default_toast_compression": "lz4"}
        options = [f"--{name}={value}" for name, value in lz4.items()]
        try:
            self._run("postgres", "-D", self.path, *options, "-C", "wal_compression")
        except EmbeddedPostgresError:  # built without it
            return {}
        return lz4

    def create_database(self) -> None:
        """Create the database in single-user mode, before anybody can connect."""
        single = ["postgres", "--single", "-D", self.path, "-c", "exit_on_error=on"]
        self._run(*single, "template1", stdin=f"CREATE DATABASE {DATABASE}\n")

    def _run(self, program: str, *arguments: str, stdin: str = "") -> None:
        try:
            result = self.account.run(
                [self.binaries.directory / program, *arguments],
                inherited=self.inherited,
                limit_s=INITDB_LIMIT_S,
                stdin=stdin,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise EmbeddedPostgresError(f"{program} cannot be run: {error}") from error
        if result.returncode:
            said = result.stdout[-MESSAGE_LIMIT_CHARACTERS:]
            raise EmbeddedPostgresError(f"{program} failed ({result.returncode}): {said}")


def _append(path: Path, settings: dict[str, str]) -> None:
    """Add settings to a configuration file; the last one of a name counts."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n# Set by Raphus when it made this cluster.\n")
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())


def _sync(directory: Path) -> None:
    """Make a rename in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
