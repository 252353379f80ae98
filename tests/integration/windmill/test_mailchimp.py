"""A member of an audience for each customer, tagged by what it has now."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.http_server import Served
from tests.support.samples import sample
from tests.support.scripts import by_raphus, run, sent, subscription, told
from tests.support.services import serving
from tests.support.services.mails import API_KEY, LIST_ID, Mailchimp

CUSTOMER = {"customer_id": "cus_1", "email": "Ada@Shop.example", "name": "Ada Example"}


@pytest.fixture
def mailchimp() -> Iterator[Mailchimp]:
    with serving(Mailchimp()) as service:
        yield service


def synced(mailchimp: Mailchimp, raphus: Served, arguments: dict[str, Any]) -> dict[str, Any]:
    more = {"mailchimp": {"api_key": API_KEY, "server": "us7"}, "url": mailchimp.url}
    return run("sync_mailchimp", arguments, **by_raphus(raphus), **more, list_id=LIST_ID)


def test_a_customer_is_a_member_with_tags_of_what_it_has(
    mailchimp: Mailchimp, raphus: Served
) -> None:
    active = subscription("active", "2026-04-01T00:00:00Z", customer=CUSTOMER)
    arguments = told(raphus, active)
    for _ in range(2):
        assert synced(mailchimp, raphus, arguments)["tags"] == ["active", "customer"]
    ((by_hash, member),) = mailchimp.members.items()
    assert by_hash == hashlib.md5(b"ada@shop.example", usedforsecurity=False).hexdigest()
    assert member["status"] == "transactional"
    assert member["merge_fields"] == {"FNAME": "Ada", "LNAME": "Example"}
    over = subscription("cancelled", "2026-05-01T00:00:00Z", customer=CUSTOMER)
    newer = told(raphus, active, over)
    synced(mailchimp, raphus, newer)
    assert member["tags"] == {"cancelled", "customer"}
    # An older job that runs late tells what is so now, too.
    arguments["event"]["position"] = newer["event"]["position"]
    assert synced(mailchimp, raphus, arguments)["tags"] == ["cancelled", "customer"]


def test_who_has_unsubscribed_stays_so(mailchimp: Mailchimp, raphus: Served) -> None:
    arguments = told(raphus, subscription("active", "2026-04-01T00:00:00Z", customer=CUSTOMER))
    synced(mailchimp, raphus, arguments)
    (member,) = mailchimp.members.values()
    member["status"] = "unsubscribed"
    synced(mailchimp, raphus, arguments)
    assert member["status"] == "unsubscribed"


def test_without_an_address_there_is_no_member() -> None:
    arguments = sent("state", sample("payment.succeeded--customer-null"))
    assert run("sync_mailchimp", arguments)["because"] == "no mail address is known"
