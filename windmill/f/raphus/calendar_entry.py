"""Keep an entry in Google Calendar for each renewal that is due, and each dispute to answer.

An entry's id is made of the subscription's or the dispute's, so there is one; it is moved when the
date moves, and taken away when nothing is due any more. Before it writes, it looks at the entry
and then asks Raphus what is so now, and it writes only if nobody has changed the entry meanwhile
(`If-Match`), so the entry is right in whatever order the jobs run, and however often. The API:
developers.google.com/workspace/calendar/api/v3/reference/events, and .../guides/version-resources.

How long a dispute can be answered, Dodo tells in two ways (4 and 10 days): set `days_to_respond`
as you know it; the dashboard has the deadline. Started by the route:

    [[route]]
    name = "calendar"
    on = ["subscription.*", "dispute.*"]
    script = "f/raphus/calendar_entry"
    transformation = "state"
    verdicts = ["applied", "unchanged", "anomaly"]
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from f.raphus.facts import amount
from f.raphus.given import Resource, resource
from f.raphus.raphus_api import now
from f.raphus.web import RefusedError, fetched

gcal = Resource  # Windmill knows the type of a resource by this name

TRIES = 5
CHANGED = frozenset({409, 412})
GONE = frozenset({404, 410})


def main(
    event: dict[str, Any],
    kind: str,
    id: str,  # noqa: A002 -- so it is called in what Raphus sends
    gcal: gcal = "$res:f/raphus/gcal",
    calendar_id: str = "primary",
    gcal_url: str = "https://www.googleapis.com",
    raphus_url: str = "$var:f/raphus/raphus_url",
    raphus_api_key: str = "$var:f/raphus/raphus_api_key",
    days_to_respond: int = 4,
) -> dict[str, Any]:
    """Write the entry of a subscription or a dispute as it is now, or take it away."""
    if kind not in {"subscription", "dispute"}:
        return {"entry": None, "because": "it is neither a subscription nor a dispute"}
    events = f"{gcal_url}/calendar/v3/calendars/{quote(calendar_id, safe='')}/events"
    calendar = _Calendar(events, str(resource(gcal)["token"]))
    entry_id = "raphus" + hashlib.sha256(f"{kind} {id}".encode()).hexdigest()[:40]
    for _ in range(TRIES):
        there = calendar.entry(entry_id)
        state = now(raphus_url, raphus_api_key, kind, id, event["position"])
        entry = _due(kind, id, state, days_to_respond)
        try:
            calendar.write(entry_id, there, entry)
        except RefusedError as error:
            if error.status not in CHANGED:
                raise
        else:
            return {"entry": entry and entry["start"]["dateTime"], "entry_id": entry_id}
    raise RuntimeError("the entry is changed by others again and again")


def _due(
    kind: str,
    id: str,  # noqa: A002 -- so it is called in what Raphus sends
    state: dict[str, Any],
    days_to_respond: int,
) -> dict[str, Any] | None:
    """Return the entry of what is due, if anything is."""
    if kind == "dispute":
        if state["status"] != "opened":
            return None
        at = datetime.fromisoformat(state["created_at"]) + timedelta(days=days_to_respond)
        summary = "Dispute to be answered"
    else:
        goes_on = state["status"] == "active" and not state["cancel_at_next_billing_date"]
        if not goes_on or state["on_demand"] or not state["next_billing_date"]:
            return None
        at, summary = datetime.fromisoformat(state["next_billing_date"]), "Renewal"
    much = " ".join(filter(None, amount(kind, state)))
    time = {"dateTime": at.astimezone(UTC).isoformat(), "timeZone": "UTC"}
    return {
        "summary": f"{summary}: {id}{f', {much}' if much else ''}",
        "description": f"The {kind} {id}. Kept up to date by Raphus.",
        "start": time,
        "end": time,
        "transparency": "transparent",
        "status": "confirmed",
    }


class _Calendar:
    """Google Calendar, as far as it is needed."""

    def __init__(self, events: str, token: str) -> None:
        self._events, self._token = events, token

    def entry(self, entry_id: str) -> dict[str, Any] | None:
        """Return an entry, deleted ones too, whose status is `cancelled`; None if there is none."""
        try:
            found: dict[str, Any] = self._asked("GET", f"/{entry_id}")
        except RefusedError as error:
            if error.status not in GONE:
                raise
            return None
        return found

    def write(
        self, entry_id: str, there: dict[str, Any] | None, entry: dict[str, Any] | None
    ) -> None:
        """Insert, replace or delete, unless somebody has changed what was there (409, 412)."""
        if there is None:
            if entry is not None:
                self._asked("POST", "", entry | {"id": entry_id})
            return
        unchanged = {"If-Match": there["etag"]}
        if entry is not None:
            self._asked("PUT", f"/{entry_id}", entry, unchanged)
        elif there["status"] != "cancelled":
            self._asked("DELETE", f"/{entry_id}", None, unchanged)

    def _asked(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 -- JSON
        url = f"{self._events}{path}"
        return fetched(url, self._token, body, method=method, headers=headers)
