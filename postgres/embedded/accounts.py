"""The operating system's account that the server runs as."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from postgres.embedded.errors import ADVICE, EmbeddedPostgresError

if sys.platform != "win32":
    import pwd

SERVICE_ACCOUNTS = ("postgres", "nobody")
"""Whom root lets run the server, which refuses to run as root."""

ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}
"""All that PostgreSQL's programs see of the environment: no PG* variable leads them astray."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs PostgreSQL's programs; `foreign` where root has to step down to it."""

    uid: int
    gid: int
    foreign: bool

    def run(
        self,
        command: Sequence[str | Path],
        *,
        limit_s: float,
        inherited: tuple[int, ...] = (),
        stdin: str = "",
        stderr: int = subprocess.STDOUT,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end and return its output, whatever its exit status.

        Args:
            command: the program and its arguments.
            limit_s: seconds after which it is killed.
            inherited: file descriptors that it may use.
            stdin: what it reads.
            stderr: where its messages go: a descriptor, or to its output.

        Raises:
            OSError: it cannot be executed by this account.
            subprocess.TimeoutExpired: it took longer than `limit_s`.
        """
        return subprocess.run(
            command,
            check=False,
            cwd="/",  # the account may not be allowed into ours
            encoding="utf-8",
            env=ENVIRONMENT,
            errors="replace",
            extra_groups=[] if self.foreign else None,
            group=self.gid if self.foreign else None,
            input=stdin,
            pass_fds=inherited,
            start_new_session=True,  # a Ctrl-C in the terminal is not for the server
            stderr=stderr,
            stdout=subprocess.PIPE,
            timeout=limit_s,
            user=self.uid if self.foreign else None,
        )

    def own(self, path: Path) -> None:
        """Make a file or directory the account's."""
        if self.foreign:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    @contextmanager
    def reaching(self, directory: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield a path by which the account reaches a directory, and what to inherit for it.

        A foreign account may not be allowed through the directory's parents (root's home, for
        one). It gets the open directory instead of a looser mode on any of them.
        """
        if not self.foreign:
            yield str(directory), ()
            return
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            yield f"/proc/self/fd/{descriptor}", (descriptor,)
        finally:
            os.close(descriptor)


ROOT = Account(0, 0, foreign=False)
"""Root itself, for programs that do run as root."""


def server_account(data: Path) -> Account:
    """Return who is to run the server of a data directory, which may not exist yet.

    Raises:
        EmbeddedPostgresError: nobody here can.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), foreign=False)
    if not Path("/proc/self/fd").is_dir():
        raise EmbeddedPostgresError(
            "PostgreSQL does not run as root. Start Raphus as another user, or set DATABASE_URL "
            "to a PostgreSQL server of your own."
        )
    if data.exists():
        return _owner(data)
    for name in SERVICE_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, foreign=True)
    raise EmbeddedPostgresError(
        "PostgreSQL does not run as root, and there is no account 'postgres' or 'nobody' to run "
        "it. Create one, start Raphus as another user, or set DATABASE_URL to a PostgreSQL "
        "server of your own."
    )


def _owner(data: Path) -> Account:
    """Return the account that a data directory belongs to."""
    status = data.stat()
    if status.st_uid == 0:
        raise EmbeddedPostgresError(
            f"{data} belongs to root, and PostgreSQL does not run as root. Give it to the "
            f"account that ran the database before. {ADVICE}"
        )
    return Account(status.st_uid, status.st_gid, foreign=True)
