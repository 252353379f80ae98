"""What a schedule starts: mails before a trial ends, and a month's report; each once."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.http_server import Served
from tests.support.outside import Post
from tests.support.samples import Body, sample
from tests.support.scripts import at, by_mail, run, subscription, told

NOW = datetime.now(UTC)


def trial(number: int, days: int, **data: Any) -> Body:  # noqa: ANN401 -- JSON
    began_at, ends_at = NOW - timedelta(days=7), NOW + timedelta(days=days)
    customer = {"customer_id": f"cus_{number}", "email": f"customer-{number}@shop.example"}
    about = {"subscription_id": f"sub_{number}", "customer": customer, "trial_period_days": 14}
    about |= {"next_billing_date": ends_at.isoformat(), "created_at": began_at.isoformat()}
    about |= {"previous_billing_date": began_at.isoformat()}
    return subscription("active", began_at.isoformat(), **(about | data))


def test_whose_trial_ends_soon_is_told_so_once(
    raphus: Served, mails: Post, resource: dict[str, Any]
) -> None:
    bodies = [trial(1, 2), trial(2, 6), trial(3, 2, cancel_at_next_billing_date=True)]
    position = told(raphus, *bodies)["event"]["position"]
    raphus.get("/v1/revenue/subscriptions", counts="trial", min_position=position)
    written = [run("trial_end_mails", {}, **by_mail(raphus, mails, resource)) for _ in range(2)]
    assert [one["written"] for one in written] == [1, 0]
    ((recipients, mail),) = mails.mails
    assert recipients == ["customer-1@shop.example"]
    assert mail["Subject"] == "Your trial ends soon"
    day = (NOW + timedelta(days=2)).date().isoformat()
    assert f"your trial ends soon until {day}" in mail.get_content()


def test_a_month_is_mailed_once_with_what_it_is_made_of(
    raphus: Served, mails: Post, resource: dict[str, Any]
) -> None:
    day = "2026-05-03T00:00:00Z"
    paid = at(sample("payment.succeeded"), day, created_at=day)
    active = subscription("active", day, next_billing_date="2027-05-02T00:00:00Z")
    position = told(raphus, active, paid)["event"]["position"]
    raphus.get("/v1/revenue/net", start="2026-05-01", end="2026-05-31", min_position=position)
    more = by_mail(raphus, mails, resource) | {"mail_to": "me@shop.example", "month": "2026-05"}
    first, second = (run("monthly_report", {}, **more) for _ in range(2))
    assert (first["sent"], second["sent"]) == (True, False)
    ((recipients, mail),) = mails.mails
    assert (recipients, mail["Subject"]) == (["me@shop.example"], "Revenue of 2026-05")
    body, table = mail.iter_parts()
    text = body.get_content().replace("\r\n", "\n")
    assert "Net revenue: 19.00 USD\n- payments: 1, 22.61 USD" in text
    assert "MRR at the end: 19.00 USD\n- new: 1, 19.00 USD" in text
    assert table.get_filename() == "takings-2026-05.csv"
    (row,) = csv.DictReader(io.StringIO(table.get_content()))
    assert (row["kind"], row["gross"]) == ("payment", "2261")


def test_a_month_of_nothing_is_told_too(
    raphus: Served, mails: Post, resource: dict[str, Any]
) -> None:
    more = by_mail(raphus, mails, resource) | {"mail_to": "me@shop.example", "month": "2026-04"}
    assert "Nothing was taken." in run("monthly_report", {}, **more)["text"]
    assert len(mails.mails) == 1
