"""A mail to a customer whose subscription is on hold, once, and none too many."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.http_server import Served
from tests.support.outside import Post
from tests.support.samples import sample
from tests.support.scripts import (
    API_KEY,
    began,
    run,
    sent,
    subscription,
    told,
)
from tests.support.windmill_stand_in import Worker


def by_mail(raphus: Served, mails: Post, resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "raphus_url": raphus.url,
        "raphus_api_key": API_KEY,
        "mail_from": "raphus@shop.example",
        "smtp": mails.resource,
        "database": resource,
        "pay_url": "https://shop.example/pay",
    }


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
