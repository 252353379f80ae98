"""Mail what a month has brought: revenue, MRR, and the payments behind it as a table.

It asks Raphus for the figures, and for the export of the month's payments, refunds and disputes as
CSV, in which no cell is a formula. A month is mailed once, which is remembered in `raphus_done` of
your PostgreSQL. Started by the schedule beside this file, on the first of each month for the month
before (UTC); no route is needed.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from f.raphus.facts import money
from f.raphus.given import Resource, variable
from f.raphus.messages import mail_by
from f.raphus.postgres import once
from f.raphus.raphus_api import ask, table

# Windmill knows the type of a resource by these names.
postgresql = Resource
resend = Resource
smtp = Resource

MOVED = ("new", "expansion", "contraction", "churn", "reactivation")
TAKEN = ("payments", "refunds", "disputes_lost", "disputes_won")


def main(
    mail_to: str = "$var:f/raphus/report_to",
    month: str = "",
    raphus_url: str = "$var:f/raphus/raphus_url",
    raphus_api_key: str = "$var:f/raphus/raphus_api_key",
    mail_from: str = "$var:f/raphus/mail_from",
    smtp: smtp = "$res:f/raphus/smtp",
    resend: resend = "",
    resend_url: str = "https://api.resend.com",
    database: postgresql = "$res:f/raphus/database",
) -> dict[str, Any]:
    """Mail the report of a month such as 2026-05; "" is the last one."""
    first = date.fromisoformat(f"{month}-01") if month else _last_month()
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    span = {"start": first.isoformat(), "end": last.isoformat()}
    where = raphus_url, raphus_api_key
    net = ask(*where, "/v1/revenue/net", period="month", **span)["periods"][0]
    mrr = ask(*where, "/v1/revenue/mrr", period="month", **span)["periods"][0]
    named = f"{first:%Y-%m}"
    text = "\n".join([f"{named} (UTC)", "", *_taken(net), *_earned(mrr)])
    takings = table(*where, "revenue/takings", **span)
    key, to = f"monthly_report {named}", variable(mail_to)
    with once(database, key) as to_be_done:
        if to_be_done:
            mail_by(
                {"resend": resend, "resend_url": resend_url, "smtp": smtp},
                variable(mail_from),
                to,
                f"Revenue of {named}",
                f"{text}\n",
                key,
                {f"takings-{named}.csv": takings},
            )
        return {"month": named, "sent": to_be_done, "text": text}


def _last_month() -> date:
    return (datetime.now(UTC).date().replace(day=1) - timedelta(days=1)).replace(day=1)


def _taken(period: dict[str, Any]) -> list[str]:
    lines = []
    for figures in period["figures"]:
        currency = figures["currency"]
        lines.append(f"Net revenue: {money(figures['net'], currency)} {currency}")
        for name in TAKEN:
            one = figures[name]
            about = f"{one['count']}, {money(one['gross'], currency)} {currency}"
            lines.append(f"- {name.replace('_', ' ')}: {about}")
        if figures["unsettled"]:
            lines.append(f"- not settled yet: {figures['unsettled']}")
    return lines or ["Nothing was taken."]


def _earned(period: dict[str, Any]) -> list[str]:
    lines = []
    for figures in period["figures"]:
        currency = figures["currency"]
        lines.append(f"MRR at the end: {money(figures['end'], currency)} {currency}")
        for name in MOVED:
            one = figures[name]
            if one["count"]:
                about = f"{one['count']}, {money(one['amount'], currency)} {currency}"
                lines.append(f"- {name}: {about}")
        lines.append(f"- customers: {figures['customers']['end']}")
    return lines
