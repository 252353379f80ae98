"""Write to a customer: welcome, payment failed, in grace, on hold, cancelled.

Just before it sends, it asks Raphus whether what it tells is so still: who has paid in the
meantime is not asked to pay. What was sent is remembered in `raphus_done` of your PostgreSQL, so a
job that runs twice sends one mail (`database=""` remembers nothing), and nobody is welcomed twice
to one subscription. With `resend` the mail goes by Resend, which takes a mail once by its key
within 24 hours (resend.com/docs/dashboard/emails/idempotency-keys), else by `smtp`. Started by the
route:

    [[route]]
    name = "letters"
    on = ["subscription.active", "subscription.past_due", "subscription.on_hold", "subscription.cancelled"]
    script = "f/raphus/customer_mail"
    transformation = "state"
    verdicts = ["applied"]
"""  # noqa: E501 -- a route is copied as it is

from __future__ import annotations

from typing import Any

from f.raphus.facts import customer
from f.raphus.given import Resource, this_job, variable
from f.raphus.letters import FRAME, LETTERS, filled
from f.raphus.messages import mail_by
from f.raphus.postgres import once
from f.raphus.raphus_api import now

# Windmill knows the type of a resource by these names.
postgresql = Resource
resend = Resource
smtp = Resource


def main(
    event: dict[str, Any],
    kind: str,
    id: str,  # noqa: A002 -- so it is called in what Raphus sends
    data: dict[str, Any],
    raphus_url: str = "$var:f/raphus/raphus_url",
    raphus_api_key: str = "$var:f/raphus/raphus_api_key",
    mail_from: str = "$var:f/raphus/mail_from",
    smtp: smtp = "$res:f/raphus/smtp",
    resend: resend = "",
    resend_url: str = "https://api.resend.com",
    database: postgresql = "$res:f/raphus/database",
    pay_url: str = "",
    subject: str = "",
    text: str = "",
) -> dict[str, Any]:
    """Send the mail of the event's type; `subject` and `text` are said instead of its own."""
    letter, to = LETTERS.get(event["type"]), customer(data)
    if letter is None:
        return {"sent": False, "because": f"there is no letter for {event['type']}"}
    if not to["email"]:
        return {"sent": False, "because": "no mail address is known"}
    welcome = event["type"] == "subscription.active"
    key = f"customer_mail {f'welcome {id}' if welcome else this_job()}"
    with once(database, key) as to_be_done:
        if not to_be_done:
            return {"sent": False, "because": "it has been sent before"}
        state = now(raphus_url, raphus_api_key, kind, id, event["position"])
        if state["status"] not in letter.true_while:
            return {"sent": False, "because": f"the {kind} is {state['status']} by now"}
        body = text or FRAME.replace("{text}", letter.text)
        mail_by(
            {"resend": resend, "resend_url": resend_url, "smtp": smtp},
            variable(mail_from),
            to["email"],
            subject or letter.subject,
            filled(body, to["name"], pay_url, id, state),
            key,
        )
    return {"sent": True, "id": id}
