"""Contacts and deals in HubSpot: one each, whatever runs twice or late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.samples import sample
from tests.support.scripts import began, held, run, sent, subscription
from tests.support.services import serving
from tests.support.services.hubspot import TOKEN, HubSpot

CUSTOMER = {"customer_id": "cus_1", "email": "ada@shop.example", "name": "Ada Example King"}


@pytest.fixture
def hubspot() -> Iterator[HubSpot]:
    with serving(HubSpot()) as service:
        yield service


def synced(hubspot: HubSpot, arguments: dict[str, Any]) -> dict[str, Any]:
    return run("sync_hubspot", arguments, hubspot={"token": TOKEN}, url=hubspot.url)


def test_a_subscription_is_a_deal_of_its_customers(hubspot: HubSpot) -> None:
    arguments = sent("state", subscription("active", "2026-04-01T00:00:00Z", customer=CUSTOMER))
    first, second = (synced(hubspot, arguments) for _ in range(2))
    assert first == second
    ((contact_id, contact),) = hubspot.objects["contacts"].items()
    named = {"email": "ada@shop.example", "firstname": "Ada", "lastname": "Example King"}
    assert contact == named
    ((deal_id, deal),) = hubspot.objects["deals"].items()
    assert (deal["raphus_id"], deal["amount"], deal["dealstage"]) == ("sub_1", "19.00", "closedwon")
    assert deal["dealname"] == "subscription sub_1 USD"
    assert hubspot.associated == {(deal_id, contact_id)}
    assert hubspot.unique["deals"] == {"raphus_id"}


def test_a_deal_follows_its_subscription_and_an_older_event_changes_nothing(
    hubspot: HubSpot,
) -> None:
    over = subscription("cancelled", "2026-05-02T00:00:00Z")
    synced(hubspot, sent("state", began(), held(), over))
    result = synced(hubspot, sent("state", began(), held()))
    assert (result["synced"], result["deal_id"]) == (False, "")
    (deal,) = hubspot.objects["deals"].values()
    assert deal["dealstage"] == "closedlost"


def test_what_is_bought_once_is_a_deal_and_a_charge_of_a_subscription_is_none(
    hubspot: HubSpot,
) -> None:
    charge = sample("payment.succeeded")
    assert synced(hubspot, sent("state", charge))["synced"] is False
    charge["data"] |= {"subscription_id": None, "subscription_ids": None}
    assert synced(hubspot, sent("state", charge))["synced"] is True
    (deal,) = hubspot.objects["deals"].values()
    assert (deal["amount"], deal["dealstage"]) == ("22.61", "closedwon")


def test_a_limit_is_waited_for(hubspot: HubSpot) -> None:
    hubspot.faults = [(429, {"category": "RATE_LIMITS"})] * 2
    assert synced(hubspot, sent("state", began()))["synced"] is True


def test_an_error_tells_nobodys_address(hubspot: HubSpot) -> None:
    hubspot.faults = [(400, {"message": "ada@shop.example, +1 202 555 0143 is no contact"})]
    arguments = sent("state", subscription("active", "2026-04-01T00:00:00Z", customer=CUSTOMER))
    with pytest.raises(Exception, match="answered 400") as caught:
        synced(hubspot, arguments)
    assert "ada" not in str(caught.value)
    assert "555" not in str(caught.value)
