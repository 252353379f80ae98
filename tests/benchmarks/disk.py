"""How much disk the log and the read models take, and how much of it their indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tests.benchmarks.measure import Result

if TYPE_CHECKING:
    import psycopg

_LOG: Final = "ledger_events"
_TABLES: Final = """
    SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class
    WHERE relnamespace = 'raphus'::regnamespace AND relkind = 'r'
"""
_INDEXES: Final = """
    SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index
    JOIN pg_class ON pg_class.oid = indrelid AND relnamespace = 'raphus'::regnamespace
    ORDER BY 2 DESC
"""
_LARGEST: Final = 8
"""So many indexes are named."""


class Disk(NamedTuple):
    """What so many events take in bytes, and the largest indexes, by name."""

    events: int
    log: int
    indexes_of_log: int
    others: int
    """Read models, stored folds, and all else."""
    indexes_of_others: int
    largest: list[tuple[str, int]]

    @property
    def indexes(self) -> int:
        """All indexes."""
        return self.indexes_of_log + self.indexes_of_others

    @property
    def total(self) -> int:
        """All there is."""
        return self.log + self.others + self.indexes


def measured(conn: psycopg.Connection, events: int) -> Disk:
    """Ask PostgreSQL how much disk the tables of a log with so many events take."""
    tables = conn.execute(_TABLES).fetchall()
    log, indexes_of_log = (sum(row[n] for row in tables if row[0] == _LOG) for n in (1, 2))
    others, of_others = (sum(row[n] for row in tables if row[0] != _LOG) for n in (1, 2))
    indexes = conn.execute(_INDEXES).fetchmany(_LARGEST)
    largest = [(name.removeprefix("raphus."), size) for name, size in indexes]
    return Disk(events, log, indexes_of_log, others, of_others, largest)


def results(few: Disk, many: Disk) -> list[Result]:
    """Compare what an event takes in a long log with what it takes in a short one."""
    return [
        Result(
            "disk an event, of 10× the events ÷ of 1×",
            (many.total / many.events) / (few.total / few.events),
            None,
            True,
            f"{_told(many)}; {_told(few)}",
        ),
        Result(
            "indexes an event, of 10× the events ÷ of 1×",
            (many.indexes / many.events) / (few.indexes / few.events),
            None,
            True,
            f"{_largest(many)}; {_largest(few)}",
        ),
    ]


def _largest(disk: Disk) -> str:
    named = ", ".join(f"{name} {size / disk.events:,.0f}" for name, size in disk.largest)
    all_of_them = f"{disk.indexes / disk.events:,.0f} bytes each"
    return f"of {disk.events:,} events {all_of_them}, of which the largest {named}"


def _told(disk: Disk) -> str:
    parts = {
        "log": disk.log,
        "its indexes": disk.indexes_of_log,
        "all else": disk.others,
        "indexes of that": disk.indexes_of_others,
    }
    each = ", ".join(f"{what} {size / disk.events:,.0f}" for what, size in parts.items())
    return f"of {disk.events:,} events, bytes each: {each}, {disk.total / 1e9:,.2f} GB in all"
