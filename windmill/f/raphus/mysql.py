"""Shared: the merchant's MySQL or MariaDB, and rows that an older event does not overwrite."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.constants import ER

from f.raphus.given import resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from f.raphus.given import Resource

CONNECT_TIMEOUT_S = 10
ANSWER_TIMEOUT_S = 60
# Ids are told apart to the byte; what people write has any letter.
ID = "varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
TYPES: Mapping[str, str] = {
    "key": f"{ID} NOT NULL PRIMARY KEY",
    "text": "text CHARACTER SET utf8mb4",
    "count": "bigint",
    "place": "bigint NOT NULL",
    "flag": "boolean",
    "time": "datetime(6)",
}


def connect(database: Resource) -> pymysql.Connection[Any]:
    """Connect to a `mysql` resource; each statement is a transaction of its own."""
    value = resource(database)
    return pymysql.connect(
        host=value.get("host") or "localhost",
        port=int(value.get("port") or 3306),
        user=value["user"],
        password=value["password"],
        database=value["database"],
        ssl=ssl.create_default_context() if value.get("ssl") else None,
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=ANSWER_TIMEOUT_S,
        write_timeout=ANSWER_TIMEOUT_S,
    )


def upsert(
    conn: pymysql.Connection[Any], name: str, columns: Mapping[str, str], row: Mapping[str, Any]
) -> bool:
    """Write a row unless it shows a later position; tell whether it was written.

    The columns are sorts of `TYPES`, the first one is the key. What the row lacks stays as it was.
    MySQL assigns from left to right, so the position, which decides, comes last. It counts a row
    that is as it was already as untouched: that is told as not written.
    """
    values = {
        column: _utc(value) if columns[column] == "time" and value else value
        for column, value in row.items()
    }
    _, *others = values
    later = "VALUES(`position`) >= `position`"
    changes = ", ".join(
        f"{_named(column)} = IF({later}, VALUES({_named(column)}), {_named(column)})"
        for column in sorted(others, key="position".__eq__)
    )
    places = ", ".join(["%s"] * len(values))
    insert = f"INSERT INTO {_named(name)} ({', '.join(map(_named, values))}) VALUES ({places})"  # noqa: S608 -- our own names
    statement = f"{insert} ON DUPLICATE KEY UPDATE {changes}"
    with conn.cursor() as cursor:
        try:
            return bool(cursor.execute(statement, list(values.values())))
        except pymysql.err.ProgrammingError as error:
            if error.args[0] != ER.NO_SUCH_TABLE:
                raise
        declared = ", ".join(f"{_named(column)} {TYPES[sort]}" for column, sort in columns.items())
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {_named(name)} ({declared})")
        return bool(cursor.execute(statement, list(values.values())))


def _named(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _utc(instant: str) -> datetime:
    return datetime.fromisoformat(instant).astimezone(UTC).replace(tzinfo=None)
