"""Uses an embedded database as a process of its own: until its input ends, or writing to it."""

from __future__ import annotations

import os
import pwd
import sys
import time
from pathlib import Path

import msgspec
import psycopg

from postgres.embedded import EmbeddedPostgres


class Use(msgspec.Struct):
    """What standard input says: the home, who is to use it, and whether it is to be written to."""

    home: str
    account: str | None
    writes: bool


def main() -> int:
    """Tell the server's process and address once it is there, and use it until the input ends."""
    use = msgspec.json.decode(sys.stdin.buffer.readline(), type=Use)
    if use.account:  # after the imports: it may not be allowed to read the interpreter's library
        entry = pwd.getpwnam(use.account)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    with EmbeddedPostgres(Path(use.home)) as database:
        print(database.postmaster_pid, database.url, flush=True)
        if use.writes:
            _write(database)
        sys.stdin.buffer.read()
    return 0


def _write(database: EmbeddedPostgres) -> None:
    """Print each number once its row is committed, and go on when the server is back."""
    number = 0
    while True:
        try:
            with psycopg.connect(database.url, autocommit=True) as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS written (number int)")
                while True:
                    connection.execute("INSERT INTO written VALUES (%s)", [number])
                    print(number, flush=True)
                    number += 1
        except psycopg.OperationalError:
            number += 1  # it may be in or not: it is not claimed
            time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main())
