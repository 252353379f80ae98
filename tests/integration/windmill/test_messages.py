"""Scripts that send: a message for each dispute, dunning mails, a daily summary."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.http_server import Served, served
from tests.support.outside import Post, Web, post, web
from tests.support.samples import Body, sample
from tests.support.scripts import at, began, resource_of, run, script, sent, subscription
from tests.support.windmill_stand_in import Worker

API_KEY = "a key of sixteen characters"


@pytest.fixture
def resource(database: str) -> dict[str, Any]:
    return resource_of(database)


@pytest.fixture
def slack() -> Iterator[Web]:
    with web() as running:
        running.answers["/api/chat.postMessage"] = [(200, {"ok": True})]
        running.answers["/services/T0/B0/secret"] = [(200, "ok")]
        yield running


@pytest.fixture
def mails() -> Iterator[Post]:
    with post() as running:
        yield running


@pytest.fixture
def raphus(database: str) -> Iterator[Served]:
    with served(database, api_key=API_KEY) as running:
        running.client.headers["authorization"] = f"Bearer {API_KEY}"
        yield running


# A message for each dispute.


def dispute(type_: str = "opened", **data: Any) -> Body:  # noqa: ANN401
    about = {"dispute_id": "dp_1", "payment_id": "pay_1", "remarks": "Not <mine> & never was"}
    return at(sample(f"dispute.{type_}"), "2026-05-01T12:00:00.5Z", **(about | data))


def by_slack(slack: Web, resource: dict[str, Any]) -> dict[str, Any]:
    url = f"{slack.url}/api/chat.postMessage"
    return {"slack": {"token": "xoxb-1"}, "slack_url": url, "database": resource}


def test_an_opened_dispute_is_told_once_with_its_deadline_and_links(
    slack: Web, resource: dict[str, Any]
) -> None:
    arguments = sent("dispute", dispute())
    told = [
        run("dispute_message", arguments, **by_slack(slack, resource))["told"] for _ in range(2)
    ]
    assert told == [True, False]
    ((path, authorization, body),) = slack.asked
    assert (path, authorization) == ("/api/chat.postMessage", "Bearer xoxb-1")
    assert body["channel"] == "#disputes"
    lines = body["text"].splitlines()
    assert lines[0] == "Dispute dp_1: opened"
    assert "Respond in time: the dashboard tells how long there is." in lines
    assert "Remarks: Not &lt;mine&gt; &amp; never was" in lines
    assert "Payment: https://app.dodopayments.com/transactions/payments/pay_1" in lines
    assert "Dispute: https://app.dodopayments.com/transactions/disputes/dp_1" in lines
    assert arguments["amount"] in body["text"]


def test_a_deadline_is_named_only_where_the_days_are_given(
    slack: Web, resource: dict[str, Any]
) -> None:
    by = by_slack(slack, resource)
    run("dispute_message", sent("dispute", dispute()), **by, days_to_respond=7)
    ((_, _, body),) = slack.asked
    assert "Respond before 2026-05-08 12:00 UTC: the dashboard tells" in body["text"]


def test_jobs_that_come_at_once_tell_it_once(slack: Web, resource: dict[str, Any]) -> None:
    arguments, by = sent("dispute", dispute()), by_slack(slack, resource)
    with ThreadPoolExecutor(4) as pool:
        results = pool.map(lambda _: run("dispute_message", arguments, **by)["told"], range(4))
    assert sorted(results) == [False, False, False, True]
    assert len(slack.asked) == 1


def test_a_replay_and_a_later_stage_are_told_again(slack: Web, resource: dict[str, Any]) -> None:
    by = by_slack(slack, resource)
    for arguments in (
        sent("dispute", dispute()),
        sent("dispute", dispute(), replay=1),
        sent("dispute", dispute(dispute_stage="pre_arbitration")),
    ):
        assert run("dispute_message", arguments, **by)["told"] is True
    assert len(slack.asked) == 3


def test_how_a_dispute_goes_on_is_told_only_if_asked(slack: Web, resource: dict[str, Any]) -> None:
    by = by_slack(slack, resource)
    arguments = sent("dispute", dispute("won"))
    assert run("dispute_message", arguments, **by)["told"] is False
    assert run("dispute_message", arguments, **by, every_event=True)["told"] is True
    ((_, _, body),) = slack.asked
    assert "Respond" not in body["text"]


def test_what_slack_does_not_take_is_told_by_the_next_run(
    slack: Web, resource: dict[str, Any]
) -> None:
    by = by_slack(slack, resource)
    slack.answers["/api/chat.postMessage"] = [
        (200, {"ok": False, "error": "channel_not_found"}),
        (500, "no"),
        (200, {"ok": True}),
    ]
    arguments = sent("dispute", dispute())
    for problem in ("channel_not_found", "answered 500"):
        with pytest.raises(Exception, match=problem):
            run("dispute_message", arguments, **by)
    assert run("dispute_message", arguments, **by)["told"] is True


def test_an_incoming_webhook_needs_no_token_and_is_a_secret(slack: Web) -> None:
    url = f"{slack.url}/services/T0/B0/secret"
    arguments = sent("dispute", dispute())
    more = {"slack_url": url, "database": ""}
    assert run("dispute_message", arguments, **more)["told"] is True
    ((_, authorization, body),) = slack.asked
    assert (authorization, body.keys()) == ("", {"text"})
    slack.answers.clear()
    with pytest.raises(Exception, match="404") as caught:
        run("dispute_message", arguments, **more)
    # Windmill stores what an exception says, and its attributes.
    assert "secret" not in f"{caught.value} {vars(caught.value)}"


def test_a_dispute_is_told_by_mail(mails: Post, resource: dict[str, Any]) -> None:
    more = {"mail_to": "disputes@shop.example", "mail_from": "raphus@shop.example"}
    arguments = sent("dispute", dispute())
    run("dispute_message", arguments, **more, smtp=mails.resource, database=resource)
    ((recipients, mail),) = mails.mails
    assert recipients == ["disputes@shop.example"]
    assert mail["Subject"] == "Dispute dp_1: opened"
    assert "Not <mine> & never was" in mail.get_content()


# A mail to a customer whose subscription is on hold.


def by_mail(raphus: Served, mails: Post, resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "raphus_url": raphus.url,
        "raphus_api_key": API_KEY,
        "mail_from": "raphus@shop.example",
        "smtp": mails.resource,
        "database": resource,
        "pay_url": "https://shop.example/pay",
    }


def told(raphus: Served, *bodies: Body) -> dict[str, Any]:
    """Deliver bodies; return the arguments of the job that the last one starts."""
    position = [raphus.deliver(json.dumps(body).encode()) for body in bodies][-1]
    arguments = sent("state", *bodies)
    arguments["event"]["position"] = position
    return arguments


def test_a_customer_is_asked_to_pay_once(
    raphus: Served, mails: Post, resource: dict[str, Any]
) -> None:
    arguments = told(raphus, sample("subscription.on_hold"))
    by = by_mail(raphus, mails, resource)
    assert [run("dunning_mail", arguments, **by)["sent"] for _ in range(2)] == [True, False]
    ((recipients, mail),) = mails.mails
    assert recipients == ["customer-19@shop.example"]
    assert mail["From"] == "raphus@shop.example"
    text = mail.get_content()
    assert text.splitlines()[0] == "Hello Customer 19,"
    assert "https://shop.example/pay" in text
    assert arguments["id"] in text


def test_the_same_mail_has_the_same_message_id(
    raphus: Served, mails: Post, resource: dict[str, Any]
) -> None:
    arguments = told(raphus, sample("subscription.on_hold"))
    for _ in range(2):
        run("dunning_mail", arguments, **(by_mail(raphus, mails, resource) | {"database": ""}))
    first, second = [mail["Message-ID"] for _, mail in mails.mails]
    assert first == second


def test_who_has_paid_in_the_meantime_gets_no_mail(
    raphus: Served, mails: Post, resource: dict[str, Any]
) -> None:
    customer = {"customer_id": "cus_1", "email": "customer-1@shop.example"}
    asked = subscription("on_hold", "2026-05-01T00:00:00Z", customer=customer)
    arguments = told(raphus, began(), asked)
    paid = told(raphus, subscription("active", "2026-05-02T00:00:00Z"))
    raphus.get("/v1/events", min_position=paid["event"]["position"])
    result = run("dunning_mail", arguments, **by_mail(raphus, mails, resource))
    assert result == {"sent": False, "because": "the subscription is active by now"}
    assert mails.mails == []


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("name", ["$var:f/raphus/raphus_api_key", "$res:f/raphus/smtp"])
def test_what_a_buyer_writes_names_no_secret(
    raphus: Served, mails: Post, resource: dict[str, Any], name: str, inside: bool
) -> None:
    worker = Worker(
        {"f/raphus/raphus_api_key": API_KEY}, {"f/raphus/smtp": mails.resource}, inside=inside
    )
    customer = {"customer_id": "cus_1", "email": "customer-1@shop.example", "name": name}
    asked = subscription("on_hold", "2026-05-01T00:00:00Z", customer=customer)
    fixed = {"raphus_api_key": "$var:f/raphus/raphus_api_key", "smtp": "$res:f/raphus/smtp"}
    by = by_mail(raphus, mails, resource) | fixed
    assert run("dunning_mail", told(raphus, asked), worker, **by)["sent"] is True
    ((_, mail),) = mails.mails
    text = mail.get_content()
    assert text.splitlines()[0] == f"Hello {name.replace('$', '$-')},"
    assert API_KEY not in text


@pytest.mark.parametrize("customer", [None, {}, {"customer_id": "cus_1", "email": None}])
def test_without_an_address_there_is_no_mail(customer: object) -> None:
    arguments = sent("state", subscription("on_hold", "2026-05-01T00:00:00Z", customer=customer))
    assert run("dunning_mail", arguments)["because"] == "no mail address is known"


@pytest.mark.parametrize("email", ["one@shop.example, two@shop.example", "nobody", "a@b\r\nc"])
def test_what_is_no_single_address_gets_no_mail(
    raphus: Served, mails: Post, resource: dict[str, Any], email: str
) -> None:
    arguments = told(raphus, sample("subscription.on_hold"))
    arguments["data"]["customer"]["email"] = email
    with pytest.raises(Exception, match="not a mail address"):
        run("dunning_mail", arguments, **by_mail(raphus, mails, resource))
    assert mails.mails == []


def test_the_address_of_a_customer_is_in_no_error(
    raphus: Served, mails: Post, resource: dict[str, Any]
) -> None:
    mails.answers["RCPT"] = "550 nobody <customer-19@shop.example> is here"
    arguments = told(raphus, sample("subscription.on_hold"))
    by = by_mail(raphus, mails, resource)
    with pytest.raises(Exception, match="SMTPRecipientsRefused") as caught:
        run("dunning_mail", arguments, **by)
    assert "customer-19" not in f"{caught.value} {vars(caught.value)}"
    mails.answers.clear()
    assert run("dunning_mail", arguments, **by)["sent"] is True


def test_a_password_is_not_told_in_the_clear(mails: Post) -> None:
    smtp = mails.resource | {"user": "raphus", "password": "secret"}
    more = {"mail_to": "a@shop.example", "mail_from": "b@shop.example", "database": ""}
    with pytest.raises(Exception, match="no TLS"):
        run("dispute_message", sent("dispute", dispute()), **more, smtp=smtp)
    assert mails.mails == []


# A summary of a day.


def test_a_day_is_summed_up_page_by_page(
    raphus: Served, slack: Web, resource: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script("raphus_api"), "PAGE_ITEMS", 2)
    for number in range(5):
        about = {"subscription_id": f"sub_{number}", "created_at": "2026-05-01T00:00:00Z"}
        told(raphus, subscription("active", "2026-05-01T00:00:00Z", **about))
    for number, day in enumerate(("2026-04-30T23:59:59Z", "2026-05-01T00:00:00Z")):
        failed = {"payment_id": f"pay_{number}", "created_at": day, "status": "failed"}
        told(raphus, at(sample("payment.failed"), day, **failed))
    told(raphus, subscription("failed", "2026-05-02T00:00:00Z", subscription_id="sub_0"))
    last = told(raphus, dispute())
    raphus.get("/v1/refusals", min_position=last["event"]["position"])
    more = {
        "raphus_url": f"{raphus.url}/",
        "raphus_api_key": API_KEY,
        "day": "2026-05-01",
        "channel": "#money",
        **by_slack(slack, resource),
    }
    first, second = [run("daily_summary", {}, **more) for _ in range(2)]
    counts = {name: value for name, value in first.items() if isinstance(value, int)}
    assert counts == {
        "active_subscriptions": 5,
        "open_disputes": 1,
        "failed_payments": 1,
        "refused_facts": 1,
        "told": True,
    }
    assert first["text"].splitlines()[0] == "2026-05-01 (UTC)"
    assert (second["told"], second["text"]) == (False, first["text"])
    assert [body["text"] for _, _, body in slack.asked] == [first["text"]]


def test_a_count_ends_somewhere(raphus: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script("raphus_api"), "PAGE_ITEMS", 1)
    monkeypatch.setattr(script("raphus_api"), "PAGES_MAX", 2)
    bodies = [
        subscription("active", "2026-05-01T00:00:00Z", subscription_id=f"sub_{number}")
        for number in range(3)
    ]
    position = told(raphus, *bodies)["event"]["position"]
    raphus.get("/v1/refusals", min_position=position)
    result = run(
        "daily_summary",
        {"raphus_url": raphus.url, "raphus_api_key": API_KEY},
    )
    assert "active subscriptions: more than 2" in result["text"]
