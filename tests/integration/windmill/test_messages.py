"""Messages by Twilio, Slack and Discord: each once, with no mark-up of a buyer's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.support.http_server import Served
from tests.support.outside import Web
from tests.support.samples import sample
from tests.support.scripts import (
    WORKER,
    announced,
    began,
    by_raphus,
    by_slack,
    run,
    sent,
    subscription,
    told,
)
from tests.support.services import serving
from tests.support.services.chats import SID, TOKEN, Discord, Twilio

HOSTILE = "@everyone <!channel> <@U1> [x](https://evil.example) *_`"


@pytest.fixture
def twilio() -> Iterator[Twilio]:
    with serving(Twilio()) as service:
        yield service


@pytest.fixture
def discord() -> Iterator[Discord]:
    with serving(Discord()) as service:
        yield service


def by_twilio(twilio: Twilio, raphus: Served, resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "twilio": {"accountSid": SID, "token": TOKEN},
        "twilio_url": twilio.url,
        "sender": "+12025550100",
        **by_raphus(raphus),
        "database": resource,
        "pay_url": "https://shop.example/pay",
    }


def held(number: str | None) -> Any:  # noqa: ANN401 -- JSON
    customer = {"customer_id": "cus_1", "phone_number": number, "name": HOSTILE}
    return subscription("on_hold", "2026-05-01T00:00:00Z", customer=customer)


def test_a_customer_is_sent_one_text(
    twilio: Twilio, raphus: Served, resource: dict[str, Any]
) -> None:
    arguments = told(raphus, began(), held("+1 (202) 555-0143"))
    by = by_twilio(twilio, raphus, resource)
    assert [run("text_message", arguments, **by)["sent"] for _ in range(2)] == [True, False]
    (message,) = twilio.messages
    assert message == {
        "From": "+12025550100",
        "To": "+12025550143",
        "Body": "We could not charge you: your subscription is on hold. "
        "Please check how you pay: https://shop.example/pay",
    }


@pytest.mark.parametrize("number", [None, "", "555-0143", "+12025550143,+12025550144", "+1 x"])
def test_what_is_no_number_is_sent_nothing(number: str | None) -> None:
    result = run("text_message", sent("state", began(), held(number)))
    assert result["because"] == "no telephone number is known, with its country"


def test_who_has_paid_is_sent_no_text(
    twilio: Twilio, raphus: Served, resource: dict[str, Any]
) -> None:
    arguments = told(raphus, began(), held("+12025550143"))
    paid = told(raphus, subscription("active", "2026-05-02T00:00:00Z"))
    arguments["event"]["position"] = paid["event"]["position"]
    result = run("text_message", arguments, **by_twilio(twilio, raphus, resource))
    assert result["because"] == "the subscription is active by now"
    assert twilio.messages == []


def test_what_twilio_refuses_is_sent_when_the_job_runs_again(
    twilio: Twilio, raphus: Served, resource: dict[str, Any]
) -> None:
    arguments = told(raphus, began(), held("+12025550143"))
    by = by_twilio(twilio, raphus, resource)
    twilio.faults = [(400, {"message": "+12025550143 has stopped"})]
    with pytest.raises(Exception, match="answered 400") as caught:
        run("text_message", arguments, **by)
    assert "2025550143" not in str(caught.value)
    assert run("text_message", arguments, **by)["sent"] is True


def bought() -> dict[str, Any]:
    body = sample("payment.succeeded")
    body["data"]["customer"]["name"] = HOSTILE  # type: ignore[index, call-overload]
    return sent("state", body)


def test_an_event_is_told_to_slack_once_and_a_replay_again(
    slack: Web, resource: dict[str, Any]
) -> None:
    by = by_slack(slack, resource)
    jobs = [str(uuid4()) for _ in range(2)]
    done = [run("chat_message", bought(), WORKER, job, **by)["told"] for job in [*jobs, jobs[0]]]
    assert done == [True, True, False]
    (_, _, body), _ = slack.asked
    assert body["text"] == (
        "payment.succeeded: payment pay_LqvYe1S8NXrQPm2ZJXzSWQ, succeeded, 22.61 USD"
    )


def test_a_name_calls_nobody_and_links_nowhere(
    slack: Web, discord: Discord, resource: dict[str, Any]
) -> None:
    run("chat_message", bought(), **by_slack(slack, resource), with_person=True)
    ((_, _, body),) = slack.asked
    assert "&lt;!channel&gt; &lt;@U1&gt;" in body["text"]
    assert body["unfurl_links"] is False
    run("chat_message", bought(), discord=discord.resource, database="", with_person=True)
    (message,) = discord.messages
    assert message["allowed_mentions"] == {"parse": []}
    assert (
        r"\@everyone \<!channel\> \<\@U1\> \[x\]\(https\://evil.example\) \*\_\`"
        in (message["content"])
    )


def test_an_event_of_raphus_own_is_told_as_it_says(discord: Discord) -> None:
    run("chat_message", announced("access.revoked"), discord=discord.resource, database="")
    (message,) = discord.messages
    assert message["content"].startswith("access.revoked\\: Subscription sub\\_")
    assert message["content"].endswith("is on hold\\: a charge failed.")


def test_a_long_text_fits_into_discord(discord: Discord) -> None:
    run("chat_message", bought(), discord=discord.resource, database="", before="*" * 3_000)
    assert len(discord.messages) == 1


def test_a_failure_is_told_with_a_link_and_not_with_what_it_says(
    slack: Web, discord: Discord, resource: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WM_BASE_URL", "https://windmill.example")
    # What Windmill gives the handler of a workspace: docs/core_concepts/error_handling.
    given = {
        "path": "f/raphus/sync_hubspot",
        "job_id": "0197-1",
        "workspace_id": "shop",
        "is_flow": False,
        "email": "me@shop.example",
        "error": {"error": {"name": "RefusedError", "message": "ada@shop.example is unknown"}},
    }
    run("failure_message", given, **by_slack(slack, resource))
    run("failure_message", given, discord=discord.resource, database="")
    ((_, _, body),) = slack.asked
    link = "https://windmill.example/run/0197-1?workspace=shop"
    assert body["text"] == f"f/raphus/sync_hubspot has failed: RefusedError\n{link}"
    assert discord.messages[0]["content"].endswith(f"\n{link}")
    assert "ada" not in f"{body} {discord.messages}"
