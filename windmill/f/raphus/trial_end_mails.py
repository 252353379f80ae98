"""Write to everybody whose trial ends within some days; once for each trial.

It asks Raphus who is in a trial, until when it goes, and for the address. What was sent is
remembered in `raphus_done` of your PostgreSQL. Who has cancelled is not written to. Started by the
schedule beside this file, every morning; no route is needed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from f.raphus.given import Resource, variable
from f.raphus.letters import FRAME, LETTERS, filled
from f.raphus.messages import mail_by
from f.raphus.postgres import once
from f.raphus.raphus_api import ask, now, pages

# Windmill knows the type of a resource by these names.
postgresql = Resource
resend = Resource
smtp = Resource


def main(
    raphus_url: str = "$var:f/raphus/raphus_url",
    raphus_api_key: str = "$var:f/raphus/raphus_api_key",
    days: int = 3,
    mail_from: str = "$var:f/raphus/mail_from",
    smtp: smtp = "$res:f/raphus/smtp",
    resend: resend = "",
    resend_url: str = "https://api.resend.com",
    database: postgresql = "$res:f/raphus/database",
    pay_url: str = "",
    subject: str = "",
    text: str = "",
) -> dict[str, Any]:
    """Write to those whose trial ends within so many days."""
    by = {"resend": resend, "resend_url": resend_url, "smtp": smtp}
    letter, where, written = LETTERS["trial_ends"], (raphus_url, raphus_api_key), 0
    until = datetime.now(UTC) + timedelta(days=days)
    body, sender = text or FRAME.replace("{text}", letter.text), variable(mail_from)
    for page in pages(*where, "/v1/revenue/subscriptions", counts="trial"):
        for trial in page["items"]:
            subscription_id = trial["subscription_id"]
            state = now(*where, "subscription", subscription_id)
            ends = state["next_billing_date"]
            over = state["status"] not in letter.true_while or state["cancel_at_next_billing_date"]
            if over or not ends or datetime.fromisoformat(ends) > until:
                continue
            to = _customer(where, state)
            key = f"trial_end_mails {subscription_id} {ends}"
            if not to.get("email"):
                continue
            with once(database, key) as to_be_done:
                if to_be_done:
                    told = filled(body, to["name"] or "", pay_url, subscription_id, state)
                    mail_by(by, sender, to["email"], subject or letter.subject, told, key)
                    written += 1
    return {"written": written}


def _customer(where: tuple[str, str], state: dict[str, Any]) -> dict[str, Any]:
    """Return the address and the name of a subscription's customer, as far as they are known."""
    if not state["customer_id"]:
        return {}
    path = f"/v1/customers/{quote(state['customer_id'], safe='')}/state"
    known: list[dict[str, Any]] = ask(*where, path)["customers"]
    return next((one for one in known if one["business_id"] == state["business_id"]), {})
