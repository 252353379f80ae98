"""A message for each dispute, by Slack or by mail, and none twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.support.outside import Post, Web
from tests.support.scripts import (
    WORKER,
    by_slack,
    dispute,
    run,
    sent,
)


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
        assert run("dispute_message", arguments, WORKER, str(uuid4()), **by)["told"] is True
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
    assert (authorization, "channel" in body) == ("", False)
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


def test_a_password_is_not_told_in_the_clear(mails: Post) -> None:
    smtp = mails.resource | {"user": "raphus", "password": "secret"}
    more = {"mail_to": "a@shop.example", "mail_from": "b@shop.example", "database": ""}
    with pytest.raises(Exception, match="no TLS"):
        run("dispute_message", sent("dispute", dispute()), **more, smtp=smtp)
    assert mails.mails == []
