"""What is known here and was in none of the lists that were read, so that it may be gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from dodo.walk import OVERLAP

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from postgres.connections import Connection

_MAKE: Final = """
    CREATE TEMPORARY TABLE seen (kind text NOT NULL, id text NOT NULL, PRIMARY KEY (kind, id))
"""
_ADD: Final = """
    INSERT INTO pg_temp.seen SELECT %s, unnest(%s::text[]) ON CONFLICT DO NOTHING RETURNING id
"""
_TABLES: Final[Mapping[str, tuple[str, str, str]]] = {
    "subscription": ("subscriptions", "subscription_id", "NULL::text"),
    "payment": ("payments", "payment_id", "t.payment_id"),
    "refund": ("refunds", "refund_id", "t.payment_id"),
    "dispute": ("disputes", "dispute_id", "t.payment_id"),
    "license_key": ("license_keys", "id", "NULL::text"),
}
KINDS: Final = tuple(_TABLES)
"""The kinds that Dodo can be asked about by id."""


class Absent(NamedTuple):
    """An object that no list had."""

    kind: str
    id: str
    payment_id: str | None


class Seen:
    """Remembers, in the database, what lists had: there may be more of it than memory has room."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        conn.execute("DROP TABLE IF EXISTS pg_temp.seen")
        conn.execute(_MAKE)

    def add(self, kind: str, ids: Iterable[str]) -> set[str]:
        """Remember objects of a kind, and return those that were not seen before."""
        return {str(id_) for (id_,) in self._conn.execute(_ADD, [kind, list(ids)])}

    def absent(
        self, kind: str, business_id: str, since: datetime | None, until: datetime
    ) -> list[Absent]:
        """Return what is known of a kind, was created in a time that was read, and was not seen."""
        table, id_field, payment = _TABLES[kind]
        rows = self._conn.execute(
            f"SELECT t.{id_field}, {payment} FROM raphus.{table} AS t"  # noqa: S608 -- constants
            " WHERE t.business_id = %s AND t.missing_since IS NULL AND t.created_at < %s"
            " AND (%s::timestamptz IS NULL OR t.created_at > %s) AND NOT EXISTS"
            f" (SELECT FROM pg_temp.seen AS s WHERE s.kind = %s AND s.id = t.{id_field})"
            f" ORDER BY t.{id_field}".encode(),
            [business_id, until - OVERLAP, since, since and since + OVERLAP, kind],
        ).fetchall()
        return [Absent(kind, id_, payment_id) for id_, payment_id in rows]
