"""Tell a Slack channel of a payment that does not fit what was to be paid.

It asks Raphus, which measures a payment by its subscription and by the prices of its products, as
they were then. What was told is remembered in `raphus_done` of your PostgreSQL, so a job that runs
twice tells it once (`database=""` remembers nothing). The result says whether it fits as far as is
known: a flow can branch on it. Started by the route:

    [[route]]
    name = "payment-check"
    on = ["payment.succeeded"]
    script = "f/raphus/payment_check"
    transformation = "state"
    verdicts = ["applied"]
"""

from __future__ import annotations

from typing import Any

from f.raphus.given import Resource, this_job
from f.raphus.messages import chat_once
from f.raphus.raphus_api import pages

# Windmill knows the type of a resource by these names.
postgresql = Resource
slack = Resource


def main(
    event: dict[str, Any],
    id: str,  # noqa: A002 -- so it is called in what Raphus sends
    state: dict[str, Any],
    raphus_url: str = "$var:f/raphus/raphus_url",
    raphus_api_key: str = "$var:f/raphus/raphus_api_key",
    channel: str = "",
    slack: slack = "$res:f/raphus/slack",
    slack_url: str = "https://slack.com/api/chat.postMessage",
    database: postgresql = "$res:f/raphus/database",
) -> dict[str, Any]:
    """Check one payment that has succeeded; tell it if it does not fit."""
    asked: dict[str, str] = {"code": "amount_unfit", "business_id": state["business_id"]}
    if state["customer_id"]:
        asked["customer_id"] = state["customer_id"]
    asked["min_position"] = str(event["position"])
    unfit: dict[str, Any] = {}
    for page in pages(raphus_url, raphus_api_key, "/v1/anomalies", **asked):
        for one in page["items"]:
            if one["id"] == id:
                unfit = one
    if not unfit:
        return {"fits": True, "payment_id": id, "told": False}
    key = f"payment_check {this_job()}"
    text = f"{unfit['text']}\nWhat to do: {unfit['action']}"
    told = chat_once(database, key, text, channel, slack, slack_url)
    evidence = unfit["evidence"][0]["fields"]
    measured = {name: evidence[name] for name in ("measured_by", "expected_amount", "paid_amount")}
    return {"fits": False, "payment_id": id, **measured, "text": unfit["text"], "told": told}
