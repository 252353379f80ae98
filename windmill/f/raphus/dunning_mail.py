"""Ask a customer by mail to pay, when a subscription goes on hold.

Just before it sends, it asks Raphus whether the subscription is on hold still: who has paid in
the meantime gets no mail. What was sent is remembered in `raphus_done` of your PostgreSQL, so a
job that runs twice sends one mail (`database=""` remembers nothing). Started by the route:

    [[route]]
    name = "dunning"
    on = ["subscription.on_hold"]
    script = "f/raphus/dunning_mail"
    transformation = "state"
    verdicts = ["applied"]
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from f.raphus.given import Resource, variable
from f.raphus.messages import mail
from f.raphus.postgres import once
from f.raphus.raphus_api import ask

# Windmill knows the type of a resource by these names.
postgresql = Resource
smtp = Resource

TEXT = """\
Hello {name},

we could not charge you for your subscription, so it is on hold.
To take it up again, please check how you pay{where}.

This message is about the subscription {subscription_id}.
"""


def main(
    event: dict[str, Any],
    id: str,  # noqa: A002 -- so it is called in what Raphus sends
    data: dict[str, Any],
    raphus_url: str = "$var:f/raphus/raphus_url",
    raphus_api_key: str = "$var:f/raphus/raphus_api_key",
    mail_from: str = "$var:f/raphus/mail_from",
    smtp: smtp = "$res:f/raphus/smtp",
    database: postgresql = "$res:f/raphus/database",
    pay_url: str = "",
    subject: str = "Your payment did not go through",
    text: str = "",
    raphus_replay: int = 0,
) -> dict[str, Any]:
    """Send the mail if the subscription is on hold now; `text` is said instead of `TEXT`."""
    customer = data.get("customer") or {}
    if not customer.get("email"):
        return {"sent": False, "because": "no mail address is known"}
    key = f"dunning_mail {event['webhook_id']} {raphus_replay}"
    with once(database, key) as to_be_done:
        if not to_be_done:
            return {"sent": False, "because": "it has been sent before"}
        path = f"/v1/subscriptions/{quote(id)}"
        now = ask(raphus_url, raphus_api_key, path, min_position=event["position"])
        if now["status"] != "on_hold":
            return {"sent": False, "because": f"the subscription is {now['status']} by now"}
        filled = (text or TEXT).format(
            name=customer.get("name") or "customer",
            where=f": {pay_url}" if pay_url else "",
            subscription_id=id,
        )
        mail(smtp, variable(mail_from), customer["email"], subject, filled, key)
    return {"sent": True, "subscription_id": id}
