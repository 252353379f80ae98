"""Keep a contact in HubSpot for each customer, and a deal for each subscription and purchase.

A contact is known by its address, a deal by the property `raphus_id`, which is unique and is made
where it is not. Both are upserted, so a job may run again; a deal that shows a later event
(`raphus_position`) is left alone. HubSpot's API: developers.hubspot.com/docs/api/crm/contacts,
.../crm/deals, .../crm/properties, .../crm/associations. A private app's token needs the scopes
`crm.objects.contacts.write`, `crm.objects.deals.read`, `crm.objects.deals.write` and
`crm.schemas.deals.write`. A deal's amount has no currency of its own unless yours has several, so
its name tells the currency. Started by the route:

    [[route]]
    name = "crm"
    on = ["subscription.*", "payment.succeeded"]
    script = "f/raphus/sync_hubspot"
    transformation = "state"
    verdicts = ["applied", "unchanged", "anomaly"]
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from f.raphus.facts import amount, customer
from f.raphus.given import Resource, resource
from f.raphus.web import RefusedError, fetched

hubspot = Resource  # Windmill knows the type of a resource by this name

ENDED = frozenset({"cancelled", "expired", "failed"})
WON = frozenset({"active", "past_due", "on_hold", "paused", "succeeded"})
GROUP = {"groupName": "dealinformation"}
OWN = (
    {
        "name": "raphus_id",
        "label": "Raphus id",
        "type": "string",
        "fieldType": "text",
        "hasUniqueValue": True,
    },
    {
        "name": "raphus_position",
        "label": "Raphus position",
        "type": "number",
        "fieldType": "number",
    },
)


def main(
    event: dict[str, Any],
    kind: str,
    id: str,  # noqa: A002 -- so it is called in what Raphus sends
    state: dict[str, Any] | None,
    data: dict[str, Any],
    hubspot: hubspot = "$res:f/raphus/hubspot",
    url: str = "https://api.hubapi.com",
    pipeline: str = "default",
    open_stage: str = "contractsent",
    won_stage: str = "closedwon",
    lost_stage: str = "closedlost",
) -> dict[str, Any]:
    """Upsert the contact and the deal that an event is about."""
    known = state or {}
    if kind not in {"subscription", "payment"} or (kind == "payment" and known["subscription_id"]):
        return {"synced": False, "because": "it is neither a subscription nor a purchase"}
    crm = _Crm(url, str(resource(hubspot)["token"]))
    contact_id = crm.contact(customer(data))
    much, currency = amount(kind, state)
    status = known["status"]
    stage = won_stage if status in WON else lost_stage if status in ENDED else open_stage
    deal = {
        "dealname": " ".join(filter(None, (kind, id, currency))),
        "amount": much,
        "pipeline": pipeline,
        "dealstage": stage,
        "closedate": event["occurred_at"],
        "raphus_position": event["position"],
    }
    deal_id = crm.deal(id, deal)
    if contact_id and deal_id:
        crm.associate(deal_id, contact_id)
    return {"synced": bool(deal_id), "contact_id": contact_id, "deal_id": deal_id}


class _Crm:
    """HubSpot, as far as it is needed."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url.rstrip("/"), token

    def contact(self, told: dict[str, str]) -> str:
        """Upsert a customer by address; return the contact's id, or "" without an address."""
        if not told["email"]:
            return ""
        first, _, last = told["name"].partition(" ")
        named = {"firstname": first, "lastname": last, "phone": told["phone_number"]}
        return self._upsert(
            "contacts", "email", told["email"], {name: one for name, one in named.items() if one}
        )

    def deal(self, raphus_id: str, deal: dict[str, Any]) -> str:
        """Upsert a deal; return its id, or "" if it shows a later event."""
        shown = f"{quote(raphus_id, safe='')}?idProperty=raphus_id&properties=raphus_position"
        try:
            there = self._asked("GET", f"/crm/v3/objects/deals/{shown}")
        except RefusedError as error:
            if error.status == 400:
                self._declare()
            elif error.status != 404:
                raise
        else:
            position = there["properties"].get("raphus_position") or 0
            if int(float(position)) > int(deal["raphus_position"]):
                return ""
        return self._upsert("deals", "raphus_id", raphus_id, deal)

    def associate(self, deal_id: str, contact_id: str) -> None:
        """Tell that the deal is the contact's; it may be known already."""
        to = f"/crm/v4/objects/deals/{deal_id}/associations/default/contacts/{contact_id}"
        self._asked("PUT", to)

    def _upsert(self, what: str, by: str, value: str, properties: dict[str, Any]) -> str:
        one = {"idProperty": by, "id": value, "properties": {by: value, **properties}}
        path = f"/crm/v3/objects/{what}/batch/upsert"
        return str(self._asked("POST", path, {"inputs": [one]})["results"][0]["id"])

    def _declare(self) -> None:
        for declared in OWN:
            try:
                self._asked("POST", "/crm/v3/properties/deals", declared | GROUP)
            except RefusedError as error:
                if error.status != 409:  # it is there
                    raise

    def _asked(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 -- JSON
        return fetched(f"{self._url}{path}", self._token, body, method=method)
