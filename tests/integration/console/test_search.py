"""The search: by any id, a webhook-id, an e-mail address, an id of the merchant's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from projections.read_models.catalogue import LISTINGS
from tests.support.console import fill
from tests.support.http_server import served
from tests.support.samples import sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.http_server import CopyOf, Served


@pytest.fixture(scope="module")
def shop(copy_of: CopyOf) -> Iterator[Served]:
    """Serve a merchant's life, with somebody whom the merchant has given an id."""
    with copy_of(fill) as conninfo, served(conninfo) as running:
        body = sample("subscription.active")
        body["data"]["metadata"] = {"user_id": "user/42 & more"}
        body["data"]["customer"] = {"customer_id": "cus_own", "email": "own@example.com"}
        position = running.deliver(json.dumps(body).encode(), "msg_own")
        running.get("/v1/customers", min_position=position)
        yield running


def found(shop: Served, text: str) -> str:
    """Where the search leads at once."""
    answer = shop.client.get("/search", params={"q": text})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


@pytest.mark.parametrize("resource", LISTINGS)
def test_an_id_of_any_kind_leads_to_its_page(resource: str, shop: Served) -> None:
    field = LISTINGS[resource].id_field
    ids = [item[field] for item in shop.get(f"/v1/{resource}")["items"]]
    address = f"/{resource}/{quote(ids[-1], safe='')}"
    answer = shop.client.get("/search", params={"q": ids[-1]})
    if answer.status_code == 303:
        assert answer.headers["location"] == address
    else:  # an id that things of two kinds have
        assert f'href="{address}"' in answer.text.replace("&#39;", "'")


def test_a_webhook_id_leads_to_the_event(shop: Served) -> None:
    assert found(shop, "msg_own") == "/events/msg_own"


def test_an_email_address_or_an_id_of_the_merchants_own_leads_to_the_customer(
    shop: Served,
) -> None:
    assert found(shop, "own@example.com") == "/customers/cus_own"
    assert found(shop, "user/42 & more") == "/customers/cus_own"


def test_the_search_is_of_the_time_that_is_looked_at(shop: Served) -> None:
    moment = {"as_of": "2001-01-01T00:00:00Z"}
    answer = shop.client.get("/search", params={"q": "own@example.com", **moment})
    assert answer.status_code == 200
    assert "Nothing is known of “own@example.com”" in answer.text


@pytest.mark.parametrize("text", ["", "  ", "nothing", "x" * 200, "a/b", "'; DROP TABLE x"])
def test_what_nothing_is_called_is_told_so(text: str, shop: Served) -> None:
    answer = shop.client.get("/search", params={"q": text}, follow_redirects=True)
    assert answer.status_code == 200


def test_what_cannot_be_a_name_is_refused(shop: Served) -> None:
    assert shop.client.get("/search", params={"q": "x" * 201}).status_code == 400
