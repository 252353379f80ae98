"""What a time that is asked about means, as a place in the log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from postgres.statement import Statement

_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Before everything that was ever recorded."""
# Positions are dense, and recorded_at never goes back along them but where a clock was corrected.
# Behind the last correction whose time had come, or from the log's beginning, halving finds the
# event, with no index on the times: what follows the next correction is later.
_POSITION: Final = """
    WITH RECURSIVE begun (low) AS (
        SELECT coalesce(max(position), 0) FROM raphus.clock_corrections
        JOIN raphus.ledger_events AS event ON event.notification_id = position
        WHERE event.recorded_at <= %(known_at)s
    ),
    search (low, high) AS (
        SELECT low, coalesce(
            (SELECT min(position) - 1 FROM raphus.clock_corrections WHERE position > low),
            (SELECT max(notification_id) FROM raphus.ledger_events),
            0
        ) FROM begun
        UNION ALL
        SELECT CASE WHEN known THEN middle ELSE low END,
            CASE WHEN known THEN high ELSE middle - 1 END
        FROM search CROSS JOIN LATERAL (SELECT (low + high + 1) / 2) AS half (middle)
        CROSS JOIN LATERAL (
            SELECT recorded_at <= %(known_at)s FROM raphus.ledger_events
            WHERE notification_id = middle
        ) AS event (known)
        WHERE low < high
    )
    SELECT low FROM search WHERE low = high
"""


def position_at(known_at: datetime) -> Statement:
    """Select the last position whose event was recorded by a time, 0 for none.

    Everything up to there was known then: also what had been recorded, by a clock that was
    wrong, at times that lay in the future.
    """
    return Statement(_POSITION, {"known_at": known_at})


def position_before(since: datetime) -> Statement:
    """Select the last position whose event was recorded before a time, 0 for none.

    What was recorded at that very instant stands behind it.
    """
    return position_at(max(since, _BEGINNING) - timedelta(microseconds=1))
