"""A MariaDB server for tests: the machine's own program, with data of its own, on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pymysql
import pytest

from tests.support.outside import LOOPBACK, free_port
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REQUIRED: Final = "RAPHUS_REQUIRE_MARIADB"
"""Set where its absence is to be a failure."""
_SERVER: Final = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_INSTALLER: Final = shutil.which("mariadb-install-db")
# What an old database stores by itself is not what people write today.
_BEGINNING: Final = """
CREATE DATABASE shop CHARACTER SET latin1;
CREATE USER shop@'127.0.0.1' IDENTIFIED BY 'a password';
GRANT ALL ON shop.* TO shop@'127.0.0.1';
"""


@contextmanager
def mariadb(folder: Path) -> Iterator[dict[str, Any]]:
    """Serve a new database; give what a Windmill resource says of it."""
    if _SERVER is None or _INSTALLER is None:
        if os.environ.get(REQUIRED):
            pytest.fail("there is no mariadbd here (Debian: apt-get install mariadb-server)")
        pytest.skip("there is no mariadbd here (Debian: apt-get install mariadb-server)")
    data = folder / "data"
    user = ["--user=root"] if os.geteuid() == 0 else []
    installer = [_INSTALLER, "--no-defaults", "--auth-root-authentication-method=normal"]
    installer += [f"--datadir={data}", "--skip-test-db", *user]
    subprocess.run(installer, check=True, capture_output=True)
    beginning = folder / "beginning.sql"
    beginning.write_text(_BEGINNING, "utf-8")
    port = free_port()
    server = [_SERVER, "--no-defaults", f"--datadir={data}", f"--socket={folder / 'socket'}"]
    server += [f"--init-file={beginning}"]
    server += [f"--bind-address={LOOPBACK}", f"--port={port}", *user]
    server += ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M"]
    with (folder / "log").open("wb") as log, subprocess.Popen(server, stderr=log) as process:
        try:
            until(lambda: _listens(port))
            yield {
                "host": LOOPBACK,
                "port": port,
                "user": "shop",
                "password": "a password",
                "database": "shop",
            }
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port)).close()
    except ConnectionError:
        return False
    return True


def mysql_rows(resource: dict[str, Any], table: str) -> list[dict[str, Any]]:
    """Return all of a table."""
    kind = pymysql.cursors.DictCursor
    with (
        pymysql.connect(**resource, cursorclass=kind, charset="utf8mb4") as conn,
        conn.cursor() as cursor,
    ):
        cursor.execute(f"SELECT * FROM {table} ORDER BY 1")
        return list(cursor.fetchall())
