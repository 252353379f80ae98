"""Entries in Google Calendar for what is due, right in whatever order the jobs run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.http_server import Served
from tests.support.samples import Body, sample
from tests.support.scripts import began, by_raphus, dispute, run, sent, subscription, told
from tests.support.services import serving
from tests.support.services.google_calendar import TOKEN, GoogleCalendar


@pytest.fixture
def calendar() -> Iterator[GoogleCalendar]:
    with serving(GoogleCalendar()) as service:
        yield service


@pytest.fixture
def raphus(lasting_raphus: Served) -> Served:
    """Ask the one that all of these tests share, each about things of its own."""
    return lasting_raphus


def kept(
    calendar: GoogleCalendar, raphus: Served, arguments: dict[str, Any], **more: object
) -> dict[str, Any]:
    where = {"gcal": {"token": TOKEN}, "gcal_url": calendar.url}
    return run("calendar_entry", arguments, **by_raphus(raphus), **where, **more)


def active(
    about: str, day: str = "2026-04-01T00:00:00Z", due: str = "2026-05-01T09:00:00Z"
) -> Body:
    type_ = "active" if due < "2026-05-02" else "renewed"
    return subscription(type_, day, subscription_id=about, next_billing_date=due)


def test_a_renewal_is_one_entry_that_moves_and_goes(
    calendar: GoogleCalendar, raphus: Served
) -> None:
    first = told(raphus, active("sub_moves"))
    for _ in range(2):
        assert kept(calendar, raphus, first)["entry"] == "2026-05-01T09:00:00+00:00"
    (entry,) = calendar.events.values()
    assert entry["summary"] == "Renewal: sub_moves, 19.00 USD"
    moved = told(
        raphus,
        active("sub_moves"),
        active("sub_moves", "2026-05-01T09:00:00Z", "2026-06-01T09:00:00Z"),
    )
    assert kept(calendar, raphus, moved)["entry"] == "2026-06-01T09:00:00+00:00"
    over = told(
        raphus, subscription("cancelled", "2026-05-03T00:00:00Z", subscription_id="sub_moves")
    )
    assert kept(calendar, raphus, over)["entry"] is None
    # Whoever comes late finds that nothing is due any more.
    assert kept(calendar, raphus, first | {"event": over["event"]})["entry"] is None
    (entry,) = calendar.events.values()
    assert entry["status"] == "cancelled"


def test_what_was_taken_away_can_be_due_again(calendar: GoogleCalendar, raphus: Served) -> None:
    kept(calendar, raphus, told(raphus, active("sub_again")))
    held = subscription("on_hold", "2026-05-01T10:00:00Z", subscription_id="sub_again")
    kept(calendar, raphus, told(raphus, active("sub_again"), held))
    again = subscription(
        "active",
        "2026-05-02T10:00:00Z",
        subscription_id="sub_again",
        next_billing_date="2026-06-01T09:00:00Z",
    )
    kept(calendar, raphus, told(raphus, active("sub_again"), held, again))
    (entry,) = calendar.events.values()
    assert (entry["status"], entry["start"]["dateTime"]) == (
        "confirmed",
        "2026-06-01T09:00:00+00:00",
    )


def test_an_entry_that_is_changed_meanwhile_is_looked_at_again(
    calendar: GoogleCalendar, raphus: Served
) -> None:
    arguments = told(raphus, active("sub_both"))
    # Another job inserts it just before, then replaces it.
    calendar.meanwhile = [lambda: kept(calendar, raphus, arguments) and None]
    kept(calendar, raphus, arguments)
    statuses = [one.method for one in calendar.asked]
    assert statuses.count("POST") == 2
    assert statuses[-1] == "PUT"
    assert len(calendar.events) == 1


def test_what_was_asked_before_another_wrote_is_not_written(
    calendar: GoogleCalendar, raphus: Served
) -> None:
    first = told(raphus, active("sub_asked"))
    kept(calendar, raphus, first)

    def goes_on() -> None:
        moved = told(
            raphus,
            active("sub_asked"),
            active("sub_asked", "2026-05-01T09:00:00Z", "2026-06-01T09:00:00Z"),
        )
        kept(calendar, raphus, moved)
        first["event"] = moved["event"]

    calendar.meanwhile = [goes_on]
    assert kept(calendar, raphus, first)["entry"] == "2026-06-01T09:00:00+00:00"
    (entry,) = calendar.events.values()
    assert entry["start"]["dateTime"] == "2026-06-01T09:00:00+00:00"


def test_a_dispute_has_an_entry_until_it_is_answered(
    calendar: GoogleCalendar, raphus: Served
) -> None:
    opened = dispute(created_at="2026-05-01T12:00:00Z", amount="4900", currency="USD")
    entry = kept(calendar, raphus, told(raphus, opened), days_to_respond=10)["entry"]
    assert entry == "2026-05-11T12:00:00+00:00"
    (event,) = calendar.events.values()
    assert event["summary"] == "Dispute to be answered: dp_1, 49.00 USD"
    assert "never was" not in str(event)
    answered = dispute("challenged")
    answered["timestamp"] = "2026-05-02T12:00:00Z"
    assert kept(calendar, raphus, told(raphus, opened, answered))["entry"] is None


def test_what_never_renews_has_no_entry(calendar: GoogleCalendar, raphus: Served) -> None:
    ends = began()
    ends["data"] |= {"cancel_at_next_billing_date": True}
    assert kept(calendar, raphus, told(raphus, ends))["entry"] is None
    assert calendar.events == {}
    arguments = sent("state", sample("payment.succeeded"))
    assert run("calendar_entry", arguments)["entry"] is None
