"""Tell a Slack channel, or a Discord channel, of an event, in one line.

What was told is remembered in `raphus_done` of your PostgreSQL, so a job that runs twice tells it
once (`database=""` remembers nothing). With `discord` it goes to that channel's webhook. The
customer's name is told where `with_person` is set: as text, which is no mark-up and calls nobody.
Of an event of Raphus's own (`access.*`, `anomaly.*`) it tells what that says.
Started by the route:

    [[route]]
    name = "money-to-chat"
    on = ["payment.succeeded", "refund.succeeded", "subscription.cancelled"]
    script = "f/raphus/chat_message"
    transformation = "state"
    verdicts = ["applied"]
"""

from __future__ import annotations

from typing import Any

from f.raphus.facts import customer, line
from f.raphus.given import Resource, this_job
from f.raphus.messages import chat_once

# Windmill knows the type of a resource by these names.
discord_webhook = Resource
postgresql = Resource
slack = Resource


def main(
    event: dict[str, Any],
    kind: str,
    id: str,  # noqa: A002 -- so it is called in what Raphus sends
    state: dict[str, Any] | None,
    data: dict[str, Any],
    channel: str = "#money",
    slack: slack = "$res:f/raphus/slack",
    slack_url: str = "https://slack.com/api/chat.postMessage",
    discord: discord_webhook = "",
    database: postgresql = "$res:f/raphus/database",
    with_person: bool = False,
    before: str = "",
) -> dict[str, Any]:
    """Tell of one event; `before` is said in front of it."""
    name = customer(data)["name"] if with_person else ""
    says = str(data["text"]) if kind == "announcement" and data.get("text") else ""
    told = f"{event['type']}: {says}" if says else line(event, kind, id, state)
    text = " ".join(filter(None, (before, told, name and f"({name})")))
    key = f"chat_message {this_job()}"
    done = chat_once(database, key, text, channel, slack, slack_url, discord)
    return {"told": done, "id": id}
