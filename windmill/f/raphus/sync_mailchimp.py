"""Keep a member of a Mailchimp audience for each customer, with tags by what it has.

A member is known by the hash of its address and put, so a job may run again
(mailchimp.com/developer/marketing/api/list-members/add-or-update-list-member). Who is new gets the
status `new_status`: `transactional` may not be sent campaigns, `pending` is asked first,
`subscribed` says that you have consent. Nobody who has unsubscribed is subscribed again.

The tags are the status of the customer's subscriptions and `customer`: before it tags, it asks
Raphus for what the customer has now, so the tags are right in whatever order the jobs run.
Started by the route:

    [[route]]
    name = "mailing-list"
    on = ["subscription.*", "payment.succeeded"]
    script = "f/raphus/sync_mailchimp"
    transformation = "state"
    verdicts = ["applied"]
"""

from __future__ import annotations

import hashlib
from typing import Any

from f.raphus.facts import customer
from f.raphus.given import Resource, resource, variable
from f.raphus.raphus_api import pages
from f.raphus.web import basic, fetched

mailchimp = Resource  # Windmill knows the type of a resource by this name

TAGS = ("active", "past_due", "on_hold", "paused", "cancelled", "expired")


def main(
    event: dict[str, Any],
    state: dict[str, Any] | None,
    data: dict[str, Any],
    list_id: str = "$var:f/raphus/mailchimp_list_id",
    new_status: str = "transactional",
    mailchimp: mailchimp = "$res:f/raphus/mailchimp",
    url: str = "",
    raphus_url: str = "$var:f/raphus/raphus_url",
    raphus_api_key: str = "$var:f/raphus/raphus_api_key",
) -> dict[str, Any]:
    """Put a member, and give it the tags of what it has."""
    told, customer_id = customer(data), (state or {}).get("customer_id")
    if not told["email"] or not customer_id:
        return {"synced": False, "because": "no mail address is known"}
    asked = {"customer_id": customer_id, "min_position": event["position"]}
    has = {"customer"}
    for page in pages(raphus_url, raphus_api_key, "/v1/subscriptions", **asked):
        has |= {one["status"] for one in page["items"]}
    account = resource(mailchimp)
    base = url or f"https://{account['server']}.api.mailchimp.com"
    by_hash = hashlib.md5(told["email"].lower().encode(), usedforsecurity=False).hexdigest()
    member = f"{base}/3.0/lists/{variable(list_id)}/members/{by_hash}"
    headers = basic("raphus", account["api_key"])
    first, _, last = told["name"].partition(" ")
    body = {
        "email_address": told["email"],
        "status_if_new": new_status,
        "merge_fields": {"FNAME": first, "LNAME": last} if first else {},
    }
    fetched(member, body=body, method="PUT", headers=headers)
    tags = [
        {"name": tag, "status": "active" if tag in has else "inactive"}
        for tag in ("customer", *TAGS)
    ]
    fetched(f"{member}/tags", body={"tags": tags}, method="POST", headers=headers)
    return {"synced": True, "tags": sorted(has & {"customer", *TAGS})}
