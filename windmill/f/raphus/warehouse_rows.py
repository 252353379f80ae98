"""Shared: the row that an event gives in a warehouse."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS: Mapping[str, str] = {
    "webhook_id": "key",
    "type": "text",
    "business_id": "text",
    "occurred_at": "time",
    "recorded_at": "time",
    "position": "count",
    "kind": "text",
    "entity_id": "text",
    "verdict": "text",
    "reason": "text",
    "gap": "flag",
    "state": "json",
    "data": "json",
    "appended_at": "time",
}
"""The columns of the table, the key first, by the sort of what they hold."""


def row(
    event: dict[str, Any],
    kind: str | None,
    id: str | None,  # noqa: A002 -- so it is called in what Raphus sends
    state: dict[str, Any] | None,
    data: dict[str, Any],
    *,
    verdict: str | None,
    reason: str | None,
    gap: bool | None,
    business_id: str | None = None,
) -> dict[str, Any]:
    """Return an event's row: its state and data as JSON texts, its times in ISO 8601."""
    position = event.get("position")
    return {
        "webhook_id": event["webhook_id"],
        "type": event["type"],
        "business_id": business_id or (state or {}).get("business_id"),
        "occurred_at": event["occurred_at"],
        "recorded_at": event.get("recorded_at"),
        "position": None if position is None else int(position),
        "kind": kind,
        "entity_id": id,
        "verdict": verdict,
        "reason": reason,
        "gap": gap,
        "state": None if state is None else json.dumps(state),
        "data": json.dumps(data),
        "appended_at": datetime.now(UTC).isoformat(),
    }
