"""Bound: what statements add where one business may be seen only; nothing where all may be.

The business is `%(bound_to)s`; the lists have a filter `business_id` of their own.
"""

from __future__ import annotations

from typing import Final

from domain.aggregates.routing import NOTICE

# The timeline tells whose an event is. All bodies of one webhook-id that no aggregate takes share
# a stream, whatever business each names: where there are several, it is no one's alone.
_ALONE: Final = (
    f" AND ({{line}}.kind <> '{NOTICE}' OR NOT EXISTS ("
    "SELECT FROM raphus.ledger_events AS further"
    " WHERE further.originator_id = {line}.stream_id AND further.originator_version > 1))"
)
# What was recorded as such an event may belong to an aggregate by now: if it stands alone.
_HOME: Final = (
    f"CASE WHEN {{event}}.{{stream}} LIKE '{NOTICE}/%%' THEN coalesce(("  # noqa: S608 -- constants
    "SELECT h.stream_id FROM raphus.ledger_events AS noticed"
    " JOIN raphus.homes AS h ON h.position = noticed.notification_id"
    " WHERE noticed.originator_id = {event}.{stream} AND NOT EXISTS ("
    "SELECT FROM raphus.ledger_events AS further"
    " WHERE further.originator_id = {event}.{stream} AND further.originator_version > 1)),"
    " {event}.{stream}) ELSE {event}.{stream} END"
)
_OWN_EVENT: Final = (
    " AND EXISTS (SELECT FROM raphus.timeline AS own WHERE own.webhook_id = {event}.webhook_id"
    f" AND own.stream_id = {_HOME} AND own.business_id = %(bound_to)s"
    f"{_ALONE.format(line='own')})"
)


def of_business(table: str, business_id: str | None) -> str:
    """Return the condition on a table that has `business_id`."""
    return "" if business_id is None else f" AND {table}.business_id = %(bound_to)s"


def lines_of_business(line: str, business_id: str | None) -> str:
    """Return the condition on lines of the timeline."""
    if business_id is None:
        return ""
    return f"{of_business(line, business_id)}{_ALONE.format(line=line)}"


def events_of_business(event: str, business_id: str | None, stream: str = "originator_id") -> str:
    """Return the condition on what names an event by its stream and its webhook-id.

    What the timeline does not show yet is nobody's.
    """
    return "" if business_id is None else _OWN_EVENT.format(event=event, stream=stream)
