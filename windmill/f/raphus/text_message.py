"""Send a customer a text message (SMS) by Twilio: payment failed, in grace, on hold, cancelled.

Just before it sends, it asks Raphus whether what it tells is so still. Twilio has no key by which
it takes a message once (twilio.com/docs/messaging/api/message-resource), so what was sent is
remembered in `raphus_done` of your PostgreSQL: a job that runs twice sends once, and only one that
dies between sending and remembering sends again. The message has nothing that buyers wrote.
Started by the route:

    [[route]]
    name = "text-messages"
    on = ["subscription.on_hold", "subscription.past_due"]
    script = "f/raphus/text_message"
    transformation = "state"
    verdicts = ["applied"]
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from f.raphus.facts import customer
from f.raphus.given import Resource, property_of, resource, this_job, variable
from f.raphus.letters import LETTERS, filled
from f.raphus.postgres import once
from f.raphus.raphus_api import now
from f.raphus.web import basic, fetched

# Windmill knows the type of a resource by these names.
postgresql = Resource
twilio = Resource

NUMBER = re.compile(r"\+[1-9]\d{6,14}")  # E.164


def main(
    event: dict[str, Any],
    kind: str,
    id: str,  # noqa: A002 -- so it is called in what Raphus sends
    data: dict[str, Any],
    sender: str = "$var:f/raphus/text_from",
    twilio: twilio = "$res:f/raphus/twilio",
    twilio_url: str = "https://api.twilio.com",
    raphus_url: str = "$var:f/raphus/raphus_url",
    raphus_api_key: str = "$var:f/raphus/raphus_api_key",
    database: postgresql = "$res:f/raphus/database",
    pay_url: str = "",
    text: str = "",
) -> dict[str, Any]:
    """Send the text of the event's type, or `text`, to the customer's number."""
    letter, number = LETTERS.get(event["type"]), customer(data)["phone_number"]
    number = re.sub(r"[ ()-]", "", number)
    if letter is None:
        return {"sent": False, "because": f"there is no letter for {event['type']}"}
    if not NUMBER.fullmatch(number):
        return {"sent": False, "because": "no telephone number is known, with its country"}
    with once(database, f"text_message {this_job()}") as to_be_done:
        if not to_be_done:
            return {"sent": False, "because": "it has been sent before"}
        state = now(raphus_url, raphus_api_key, kind, id, event["position"])
        if state["status"] not in letter.true_while:
            return {"sent": False, "because": f"the {kind} is {state['status']} by now"}
        account = resource(twilio)
        sid = property_of(account, "accountSid", "account_sid", "sid")
        token = property_of(account, "token", "authToken", "auth_token")
        told = filled(text or letter.short, "", pay_url, id, state)
        fetched(
            f"{twilio_url}/2010-04-01/Accounts/{sid}/Messages.json",
            body=urlencode({"From": variable(sender), "To": number, "Body": told}).encode(),
            headers=basic(sid, token) | {"Content-Type": "application/x-www-form-urlencoded"},
        )
    return {"sent": True, "id": id}
