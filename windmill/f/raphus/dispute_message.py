"""Tell a Slack channel, or a mail address, that a dispute was opened and waits for a response.

How many days there are, Dodo tells in two ways (4 and 10), so no day is named unless you set
`days_to_respond`: the dashboard has the deadline. What was told is remembered in `raphus_done` of
your PostgreSQL, so a job that runs twice tells it once (`database=""` remembers nothing). With
`mail_to` it is a mail; `slack_url` may be that of an incoming webhook, which needs no token and is
a secret.
Started by the route:

    [[route]]
    name = "disputes-to-chat"
    on = ["dispute.*"]
    script = "f/raphus/dispute_message"
    transformation = "dispute"
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

from f.raphus.given import Resource, this_job, variable
from f.raphus.messages import chat, mail
from f.raphus.postgres import once

# Windmill knows the type of a resource by these names.
postgresql = Resource
smtp = Resource
slack = Resource


def main(
    event_type: str,
    dispute_id: str,
    payment_id: str | None,
    amount: str | None,
    stage: str | None,
    remarks: str | None,
    timestamp: str,
    channel: str = "#disputes",
    slack: slack = "$res:f/raphus/slack",
    slack_url: str = "https://slack.com/api/chat.postMessage",
    mail_to: str = "",
    mail_from: str = "$var:f/raphus/mail_from",
    smtp: smtp = "$res:f/raphus/smtp",
    database: postgresql = "$res:f/raphus/database",
    every_event: bool = False,
    days_to_respond: int = 0,
    dashboard_url: str = "https://app.dodopayments.com/transactions",
) -> dict[str, Any]:
    """Tell of a dispute that was opened, or of every event of a dispute if so asked."""
    opened = event_type == "dispute.opened"
    if not opened and not every_event:
        return {"told": False, "because": f"{event_type} is not told"}
    occurred_at = datetime.fromisoformat(timestamp).astimezone(UTC)
    lines = [
        f"Dispute {dispute_id}: {event_type.removeprefix('dispute.')}",
        f"Amount: {amount or 'unknown'}, stage: {stage or 'unknown'}",
        f"Remarks: {remarks}" if remarks else "",
        f"Payment: {dashboard_url}/payments/{payment_id}" if payment_id else "",
        f"Dispute: {dashboard_url}/disputes/{dispute_id}",
    ]
    if opened:
        deadline = occurred_at + timedelta(days=days_to_respond)
        until = f"before {deadline:%Y-%m-%d %H:%M} UTC" if days_to_respond else "in time"
        lines.insert(1, f"Respond {until}: the dashboard tells how long there is.")
    text = "\n".join(filter(None, lines))
    key = f"dispute_message {this_job()}"
    with once(database, key) as to_be_done:
        if not to_be_done:
            return {"told": False, "because": "it has been told before"}
        if mail_to:
            mail(smtp, variable(mail_from), mail_to, lines[0], text, key)
        else:
            chat(escape(text, quote=False), channel, slack, slack_url)
    return {"told": True, "dispute_id": dispute_id}
