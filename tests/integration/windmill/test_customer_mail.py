"""Mails to customers, by a mail server or by Resend: each once, and none that is untrue by now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.support.http_server import Served
from tests.support.outside import Post
from tests.support.samples import sample
from tests.support.scripts import (
    API_KEY,
    WORKER,
    by_mail,
    run,
    sent,
    subscription,
    told,
)
from tests.support.services import serving
from tests.support.services.mails import RESEND_KEY, Resend
from tests.support.windmill_stand_in import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def raphus(lasting_raphus: Served) -> Served:
    """Ask the one that all of these tests share."""
    return lasting_raphus


@pytest.fixture
def resource(memory: dict[str, Any]) -> dict[str, Any]:
    """Remember elsewhere, and nothing of what another test did."""
    return memory


@pytest.fixture
def resend() -> Iterator[Resend]:
    with serving(Resend()) as service:
        yield service


def letter(raphus: Served, mails: Post, resource: dict[str, Any]) -> dict[str, Any]:
    return by_mail(raphus, mails, resource) | {"pay_url": "https://shop.example/pay"}


def test_a_customer_is_asked_to_pay_once(
    raphus: Served, mails: Post, resource: dict[str, Any]
) -> None:
    arguments = told(raphus, sample("subscription.on_hold"))
    by = letter(raphus, mails, resource)
    assert [run("customer_mail", arguments, **by)["sent"] for _ in range(2)] == [True, False]
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
        run("customer_mail", arguments, **(letter(raphus, mails, resource) | {"database": ""}))
    first, second = [mail["Message-ID"] for _, mail in mails.mails]
    assert first == second


def test_who_has_paid_in_the_meantime_gets_no_mail(
    raphus: Served, mails: Post, resource: dict[str, Any]
) -> None:
    customer = {"customer_id": "cus_1", "email": "customer-1@shop.example"}
    about = {"subscription_id": "sub_paid"}
    asked = subscription("on_hold", "2026-05-01T00:00:00Z", customer=customer, **about)
    arguments = told(raphus, subscription("active", "2026-04-01T00:00:00Z", **about), asked)
    paid = told(raphus, subscription("active", "2026-05-02T00:00:00Z", **about))
    raphus.get("/v1/events", min_position=paid["event"]["position"])
    result = run("customer_mail", arguments, **letter(raphus, mails, resource))
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
    by = letter(raphus, mails, resource) | fixed
    assert run("customer_mail", told(raphus, asked), worker, **by)["sent"] is True
    ((_, mail),) = mails.mails
    text = mail.get_content()
    assert text.splitlines()[0] == f"Hello {name.replace('$', '$-')},"
    assert API_KEY not in text


@pytest.mark.parametrize("customer", [None, {}, {"customer_id": "cus_1", "email": None}])
def test_without_an_address_there_is_no_mail(customer: object) -> None:
    arguments = sent("state", subscription("on_hold", "2026-05-01T00:00:00Z", customer=customer))
    assert run("customer_mail", arguments)["because"] == "no mail address is known"


@pytest.mark.parametrize("email", ["one@shop.example, two@shop.example", "nobody", "a@b\r\nc"])
def test_what_is_no_single_address_gets_no_mail(
    raphus: Served, mails: Post, resource: dict[str, Any], email: str
) -> None:
    arguments = told(raphus, sample("subscription.on_hold"))
    arguments["data"]["customer"]["email"] = email
    with pytest.raises(Exception, match="not a mail address"):
        run("customer_mail", arguments, **letter(raphus, mails, resource))
    assert mails.mails == []


def test_the_address_of_a_customer_is_in_no_error(
    raphus: Served, mails: Post, resource: dict[str, Any]
) -> None:
    mails.answers["RCPT"] = "550 nobody <customer-19@shop.example> is here"
    arguments = told(raphus, sample("subscription.on_hold"))
    by = letter(raphus, mails, resource)
    with pytest.raises(Exception, match="SMTPRecipientsRefused") as caught:
        run("customer_mail", arguments, **by)
    assert "customer-19" not in f"{caught.value} {vars(caught.value)}"
    mails.answers.clear()
    assert run("customer_mail", arguments, **by)["sent"] is True


CUSTOMER = {"customer_id": "cus_1", "email": "customer-1@shop.example", "name": "Customer 1"}


@pytest.mark.parametrize(
    ("type_", "subject", "line"),
    [
        ("active", "Welcome", "your subscription has begun. Thank you!"),
        ("past_due", "Your payment is due", "It goes on for now until 2026-05-08."),
        ("cancelled", "Your subscription has been cancelled", "not be charged again."),
    ],
)
def test_each_event_has_its_letter(
    raphus: Served, mails: Post, resource: dict[str, Any], type_: str, subject: str, line: str
) -> None:
    about = {"subscription_id": f"sub_{type_}"}
    more = {"customer": CUSTOMER, "past_due_ends_at": "2026-05-08T00:00:00Z"}
    asked = subscription(type_, "2026-05-01T00:00:00Z", **about, **more)
    began = subscription("active", "2026-04-01T00:00:00Z", **about)
    arguments = told(raphus, *([] if type_ == "active" else [began]), asked)
    assert run("customer_mail", arguments, **letter(raphus, mails, resource))["sent"] is True
    ((_, mail),) = mails.mails
    assert mail["Subject"] == subject
    assert line in mail.get_content()


def test_nobody_is_welcomed_twice_to_a_subscription(
    raphus: Served, mails: Post, resource: dict[str, Any]
) -> None:
    by = letter(raphus, mails, resource)
    for number in (1, 2):
        day = f"2026-05-0{number}T00:00:00Z"
        began = subscription("active", day, subscription_id="sub_new", customer=CUSTOMER)
        arguments = told(raphus, began)
        run("customer_mail", arguments, WORKER, str(uuid4()), **by)
    assert len(mails.mails) == 1


def test_a_step_of_a_flow_that_is_tried_again_sends_nothing_twice(
    raphus: Served, mails: Post, resource: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = told(raphus, sample("subscription.on_hold"))
    by = letter(raphus, mails, resource)
    monkeypatch.setenv("WM_ROOT_FLOW_JOB_ID", str(uuid4()))
    tries = [run("customer_mail", arguments, WORKER, str(uuid4()), **by) for _ in range(2)]
    assert [one["sent"] for one in tries] == [True, False]


def test_a_payment_that_failed_has_its_letter_too(
    raphus: Served, mails: Post, resource: dict[str, Any]
) -> None:
    arguments = told(raphus, sample("payment.failed"))
    assert run("customer_mail", arguments, **letter(raphus, mails, resource))["sent"] is True
    ((_, mail),) = mails.mails
    assert "Please try again: https://shop.example/pay." in mail.get_content()


def test_resend_takes_the_mail_of_a_job_once_though_nothing_is_remembered_here(
    raphus: Served, mails: Post, resend: Resend
) -> None:
    arguments = told(raphus, sample("subscription.on_hold"))
    by = letter(raphus, mails, {}) | {"database": "", "resend_url": resend.url}
    by["resend"] = {"api_key": RESEND_KEY}
    for _ in range(2):
        run("customer_mail", arguments, **by)
    assert mails.mails == []
    (mail,) = resend.mails.values()
    assert (mail["to"], mail["from"]) == (["customer-19@shop.example"], "raphus@shop.example")
    assert mail["text"].startswith("Hello Customer 19,")
    run("customer_mail", arguments, WORKER, str(uuid4()), **by)
    assert len(resend.mails) == 2


def test_what_a_buyer_writes_is_not_filled_in_again(
    raphus: Served, mails: Post, resource: dict[str, Any]
) -> None:
    arguments = told(raphus, sample("subscription.on_hold"))
    arguments["data"]["customer"]["name"] = "{where.__class__} <b>&"
    run("customer_mail", arguments, **letter(raphus, mails, resource))
    ((_, mail),) = mails.mails
    assert mail.get_content().startswith("Hello {where.__class__} <b>&,")
    assert mail.get_content_type() == "text/plain"


def test_another_event_has_no_letter() -> None:
    result = run("customer_mail", sent("state", sample("dispute.opened")))
    assert result["because"] == "there is no letter for dispute.opened"
