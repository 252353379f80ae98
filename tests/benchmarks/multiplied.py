"""The read models of reports, many times over: of more than would be followed in a short time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
from psycopg.sql import SQL, Identifier

from projections.read_models.anomaly_spans import ANOMALY_SPANS
from projections.read_models.joint_anomalies import JOINT_ANOMALIES
from projections.read_models.periods import PERIODS
from projections.read_models.recurring import RECURRING
from projections.read_models.takings import TAKINGS
from tests.benchmarks.subscriptions import SUBSCRIPTIONS, tell

if TYPE_CHECKING:
    from projections.read_model import Column

_TOLD: Final = 2_500
"""So many subscriptions are really told of, and copied until there are as many as are wanted."""
_NAMES: Final = frozenset({"stream_id", "id", "customer_id", "payment_id", "subscription_id"})
_COPY: Final = SQL("""
    INSERT INTO raphus.{table} ({names}) SELECT {values}
    FROM raphus.{table} AS t CROSS JOIN generate_series(1, {copies}) AS copy
""")


def multiply(conninfo: str) -> None:
    """Tell of a fortieth of `SUBSCRIPTIONS`, and copy what reports and the past read, by SQL alone.

    Each copy has names of its own, lies a little earlier than the one before, and was seen earlier:
    a list begins with what was told.
    """
    tell(conninfo, min(_TOLD, SUBSCRIPTIONS))
    with psycopg.connect(conninfo, autocommit=True) as conn:
        for model in (RECURRING, TAKINGS, PERIODS, ANOMALY_SPANS, JOINT_ANOMALIES):
            conn.execute(
                _COPY.format(
                    table=Identifier(model.table),
                    names=SQL(", ").join(Identifier(column.name) for column in model.columns),
                    values=SQL(", ").join(SQL(_value(column)) for column in model.columns),
                    copies=max(SUBSCRIPTIONS // _TOLD - 1, 0),
                )
            )
        conn.execute("VACUUM ANALYZE")


def _value(column: Column) -> str:
    name = f"t.{column.name}"
    if column.name in _NAMES:
        return f"{name} || '_' || copy"
    if column.name == "book":
        return f"md5({name}::text || copy)::uuid"
    if column.name == "first_position":
        return f"{name} - copy * 10000000"
    if column.type == "timestamptz":
        return f"{name} - copy * interval '37 minutes'"
    return name
