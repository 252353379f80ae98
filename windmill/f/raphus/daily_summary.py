"""Sum up a day: active subscriptions, open disputes, failed payments, refused facts.

Active are the subscriptions that are active by status, or past due within their grace. Who has
access is another question, for which Raphus has /v1/access.

It asks Raphus, returns the numbers, and tells them to a Slack channel if one is given (an
incoming webhook as `slack_url` has a channel of its own: give that). Started by the schedule
beside this file, every morning for the day before (UTC); no route is needed.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from f.raphus.given import Resource
from f.raphus.messages import chat_once
from f.raphus.raphus_api import count

# Windmill knows the type of a resource by these names.
postgresql = Resource
slack = Resource


def main(
    raphus_url: str = "$var:f/raphus/raphus_url",
    raphus_api_key: str = "$var:f/raphus/raphus_api_key",
    day: str = "",
    channel: str = "",
    slack: slack = "$res:f/raphus/slack",
    slack_url: str = "https://slack.com/api/chat.postMessage",
    database: postgresql = "$res:f/raphus/database",
) -> dict[str, Any]:
    """Sum up a day such as 2026-05-01; "" is yesterday.

    Failed payments are those made on the day. The other numbers are as of now.
    """
    of = date.fromisoformat(day) if day else datetime.now(UTC).date() - timedelta(days=1)
    made = {
        "created_at_gte": datetime.combine(of, time.min, UTC).isoformat(),
        "created_at_lte": datetime.combine(of, time.max, UTC).isoformat(),
    }
    where = raphus_url, raphus_api_key
    numbers = {
        "active subscriptions": count(*where, "/v1/subscriptions", active="true"),
        "open disputes": count(*where, "/v1/disputes", open="true"),
        "failed payments": count(*where, "/v1/payments", status="failed", **made),
        "refused facts": count(*where, "/v1/refusals"),
    }
    text = "\n".join([f"{of} (UTC)", *(f"{name}: {counted}" for name, counted in numbers.items())])
    key = f"daily_summary {of}"
    told = chat_once(database, key, text, channel, slack, slack_url)
    counts = {name.replace(" ", "_"): counted.number for name, counted in numbers.items()}
    return {"day": of.isoformat(), **counts, "told": told, "text": text}
