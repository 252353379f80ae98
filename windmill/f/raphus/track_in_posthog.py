"""Tell PostHog of every event, as one of the customer's.

The event has Dodo's type as its name. PostHog takes an event once by its `uuid`, which is made of
the webhook-id (with the same name, time and person: posthog.com/docs/api/capture). Names and
addresses are left out, unless `with_person` is set; what is about nobody makes no person.
`project_key` is the project's API key, which is no secret at PostHog, but best in a variable.
Started by the route:

    [[route]]
    name = "events-to-posthog"
    on = ["*"]
    script = "f/raphus/track_in_posthog"
    transformation = "state"
"""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from f.raphus.analytics import person, properties
from f.raphus.given import variable
from f.raphus.web import fetched


def main(
    event: dict[str, Any],
    kind: str,
    id: str,  # noqa: A002 -- so it is called in what Raphus sends
    state: dict[str, Any] | None,
    data: dict[str, Any],
    project_key: str = "$var:f/raphus/posthog_project_key",
    host: str = "https://us.i.posthog.com",
    with_person: bool = False,
) -> dict[str, Any]:
    """Capture one event; an amount is in major units of the currency beside it."""
    told, whom = properties(event, kind, id, state), person(state, data)
    if not whom:
        told["$process_person_profile"] = False
    elif with_person:
        told["$set"] = whom.traits
    uuid = str(uuid5(NAMESPACE_URL, f"raphus:{event['webhook_id']}"))
    body = {
        "api_key": variable(project_key),
        "event": event["type"],
        "distinct_id": whom.id if whom else id,
        "timestamp": event["occurred_at"],
        "uuid": uuid,
        "properties": told,
    }
    fetched(f"{host.rstrip('/')}/i/v0/e/", body=body)
    return {"tracked": event["type"], "uuid": uuid}
