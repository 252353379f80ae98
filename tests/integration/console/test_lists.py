"""Lists of every kind as pages: filters, cursors, times, and what they say where nothing is."""

from __future__ import annotations

import re
from html import escape, unescape
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from api.routes import OPERATIONS
from console.pages.objects_list import COLUMNS, LISTS
from tests.support.console import fill, page_of, signed_in
from tests.support.http_server import served
from tests.support.keys import bearer, made
from tests.support.resources import ID_FIELD

if TYPE_CHECKING:
    from tests.support.http_server import Served

OWN = "a-key-of-thirty-two-characters-0"


def listed(html: str) -> list[str]:
    """The ids of a page, in their order."""
    return [
        unescape(id_) for id_ in re.findall(r'<th scope="row"><a [^>]+><code>(.*?)</code>', html)
    ]


def leads_to(html: str, label: str) -> str | None:
    """The address of a link with this text."""
    found = re.search(rf'href="([^"]+)"[^>]*>{label}</a>', html)
    return unescape(found[1]) if found else None


@pytest.mark.parametrize("resource", ID_FIELD)
def test_a_list_shows_what_the_api_answers_in_its_order(resource: str, shop: Served) -> None:
    items = shop.get(f"/v1/{resource}")["items"]
    assert items
    assert listed(page_of(shop, f"/{resource}")) == [item[ID_FIELD[resource]] for item in items]


@pytest.mark.parametrize("resource", ID_FIELD)
def test_a_lists_form_has_each_filter_of_the_api(resource: str, shop: Served) -> None:
    (names,) = (set(one.reader.query) for one in OPERATIONS if one.path == f"/v1/{resource}")
    html = page_of(shop, f"/{resource}")
    form = html[
        html.index('<details class="filters"') : html.index("</form>", html.index("filters"))
    ]
    fields = set(re.findall(r'<(?:input|select)[^>]+name="(\w+)"', form))
    assert fields == names - {"limit", "cursor", "min_position", "as_of", "known_at"}


@pytest.mark.parametrize("resource", ["payments", "customers", "subscriptions"])
def test_read_part_by_part_a_list_is_the_list(resource: str, shop: Served) -> None:
    everything = shop.get(f"/v1/{resource}", limit=100)["items"]
    html = page_of(shop, f"/{resource}?limit=2")
    assert leads_to(html, "Newest") is None
    seen = listed(html)
    while (older := leads_to(html, "Older")) is not None:
        html = page_of(shop, older)
        seen += listed(html)
    assert seen == [item[ID_FIELD[resource]] for item in everything]
    assert leads_to(html, "Newest") == f"/{resource}?limit=2"


def test_every_list_has_columns_that_its_things_have() -> None:
    assert COLUMNS.keys() == ID_FIELD.keys() == {page.path[1:] for page in LISTS}


def test_what_a_form_sends_becomes_the_address_that_the_api_would_take(shop: Served) -> None:
    sent = (
        "/payments?business_id=&status=+failed+&customer_id=&created_at_gte=2026-02-01T10%3A00"
        "&created_at_lte=2026-10-01&product_id=&metadata=plan%3Dpro"
    )
    answer = shop.client.get(sent)
    assert answer.status_code == 303
    address = urlsplit(answer.headers["location"])
    assert address.path == "/payments"
    assert parse_qs(address.query) == {
        "status": ["failed"],
        "created_at_gte": ["2026-02-01T10:00:00Z"],
        "created_at_lte": ["2026-10-01T00:00:00Z"],
        "metadata[plan]": ["pro"],
    }
    found = shop.client.get(f"/v1{answer.headers['location']}").json()["items"]
    html = page_of(shop, answer.headers["location"])
    assert listed(html) == [item["payment_id"] for item in found]
    assert 'value="plan=pro"' in html
    assert 'value="2026-02-01T10:00:00"' in html


def test_the_past_is_said_to_be_the_past_and_every_link_keeps_it(shop: Served) -> None:
    items = shop.get("/v1/payments", as_of="2026-06-01T00:00:00Z")["items"]
    html = page_of(shop, "/payments?as_of=2026-06-01T00%3A00%3A00Z")
    assert "You are looking at the past" in html
    assert listed(html) == [item["payment_id"] for item in items]
    assert 0 < len(items) < len(shop.get("/v1/payments")["items"])
    links = [unescape(link) for link in re.findall(r'<a [^>]*href="(/[^"]*)"', html)]
    kept = [link for link in links if "as_of=2026-06-01T00%3A00%3A00Z" in link]
    assert {link for link in links if link not in kept} == {"/payments"}  # back to now
    assert '<input type="hidden" name="as_of" value="2026-06-01T00:00:00Z">' in html


PRESENT = "Some of this page is not kept for the past and shows what is so now."


@pytest.mark.parametrize(
    "path",
    ["/routes", "/routes/outbox", "/routes/attempts", "/reconciliations", "/findings"],
)
@pytest.mark.parametrize("time", ["as_of", "known_at"])
def test_what_is_not_kept_for_the_past_is_said_to_be_of_now(
    path: str, time: str, shop: Served
) -> None:
    assert PRESENT in page_of(shop, f"{path}?{time}=2026-06-01T00:00:00Z")
    assert PRESENT not in page_of(shop, path)


@pytest.mark.parametrize(
    "path", ["/payments", "/revenue/mrr", "/anomalies", "/events", "/refusals"]
)
def test_what_is_kept_for_the_past_is_not_said_to_be_of_now(path: str, shop: Served) -> None:
    html = page_of(shop, f"{path}?as_of=2026-06-01T00:00:00Z")
    assert "You are looking at the past" in html
    assert PRESENT not in html


def test_what_was_known_then_is_another_past(shop: Served) -> None:
    events = shop.get("/v1/events", limit=100)["items"]
    moment = events[-1]["recorded_at"]
    items = shop.get("/v1/customers", known_at=moment)["items"]
    html = page_of(shop, f"/customers?known_at={moment}")
    assert "from nothing but what had been recorded by" in html
    assert listed(html) == [item["customer_id"] for item in items]


def test_while_the_past_is_prepared_the_page_asks_again_by_itself(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.queries.snapshot_cache.WAIT_S", 0.0)
    fill(database, customers=2)
    with served(database) as server:
        moment = server.get("/v1/events", limit=1)["items"][-1]["recorded_at"]
        answer = server.client.get("/customers", params={"known_at": moment})
        assert (answer.status_code, answer.headers["refresh"]) == (503, "5")
        assert "asks again by itself" in answer.text


@pytest.mark.parametrize(
    ("address", "said", "offered"),
    [
        ("/payments?status=none_such", "Nothing meets these filters", "Show all"),
        ("/payments?as_of=2001-01-01T00:00:00Z", "There was none then", "Show what there is now"),
    ],
)
def test_where_there_is_nothing_the_page_says_why(
    address: str, said: str, offered: str, shop: Served
) -> None:
    html = page_of(shop, address)
    assert said in html
    assert leads_to(html, offered) == "/payments"


@pytest.mark.parametrize("resource", ID_FIELD)
def test_before_anything_has_come_a_list_says_what_brings_it(resource: str, untold: Served) -> None:
    html = page_of(untold, f"/{resource}")
    assert "There are none yet" in html
    assert leads_to(html, "Today") == "/"


@pytest.mark.parametrize(
    ("path", "name", "typed", "complaint"),
    [
        ("/subscriptions", "active", "perhaps", "Active must be true or false."),
        ("/subscriptions", "as_of", "<b>yesterday</b>", "As of must be a time in UTC, such as"),
        ("/subscriptions", "as_of", "2999-01-01", "As of must not lie in the future."),
        ("/customers/{customer}", "known_at", "noon", "Known must be a time in UTC, such as"),
        ("/payments", "metadata", "pro", "Metadata must be a key and its value: key=value."),
        ("/payments", "created_at_gte", "1 May", "Created from must be a time in UTC, such as"),
        ("/payments", "customer_id", "c" * 300, "Customer must be 1 to 200 characters"),
        ("/events", "after", "the last", "After must be a position"),
        ("/revenue/mrr", "start", "2026-13-01", "Start must be a day"),
        ("/revenue/mrr", "start", "2026-12-01", "Start must not lie behind end."),
        ("/search", "q", "q" * 300, "Q must be 1 to 200 characters"),
        ("/routes/outbox", "state", "lost", "State must be one of waiting, parked"),
        ("/routes/replay", "since", "yesterday", "Since must be a time in UTC, such as"),
        ("/routes/replay", "route", "none", "Route must be the name of a route"),
    ],
)
def test_a_field_that_cannot_be_read_leads_back_to_the_form(
    path: str, name: str, typed: str, complaint: str, shop: Served
) -> None:
    path = path.format(customer=shop.get("/v1/customers", limit=1)["items"][0]["customer_id"])
    asked = {name: typed, **({"end": "2026-01-01"} if name == "start" else {})}
    answer = shop.client.get(path, params=asked, follow_redirects=True)
    assert answer.status_code == 400
    assert '<div class="notice bad" role="alert">' in answer.text
    (field,) = re.findall(rf'<(?:input|select)[^>]* name="{name}"[^>]*>', answer.text)
    assert 'aria-invalid="true"' in field
    (describing, *_) = re.findall('aria-describedby="([^"]+)"', field)[0].split()
    (told,) = re.findall(rf'<p class="complaint" id="{describing}">(.*?)</p>', answer.text)
    assert unescape(told).startswith(complaint)
    if "<input" in field:
        assert f'value="{escape(typed)}' in field
        assert 'type="date' not in field
    assert urlencode({name: typed}) not in "".join(re.findall('href="([^"]*)"', answer.text))


def test_every_field_that_cannot_be_read_is_marked_and_the_others_are_kept(shop: Served) -> None:
    answer = shop.client.get("/payments?status=failed&created_at_lte=x&created_at_gte=y&as_of=z")
    assert answer.text.count('aria-invalid="true"') == 3
    assert re.search('name="status"[^>]* value="failed"', answer.text)
    assert listed(answer.text) == listed(page_of(shop, "/payments?status=failed"))


@pytest.mark.parametrize(
    ("asked", "parameter"),
    [
        ("cursor=forged", "cursor"),
        ("limit=1000", "limit"),
        ("no_such_filter=1", "no_such_filter"),
    ],
)
def test_what_cannot_be_asked_is_told_with_a_way_on(
    asked: str, parameter: str, shop: Served
) -> None:
    answer = shop.client.get(f"/subscriptions?status=active&{asked}", follow_redirects=True)
    assert answer.status_code == 400
    assert "That cannot be asked" in answer.text
    way_on = leads_to(answer.text, f"Show it without {parameter.replace('_', ' ')}")
    assert way_on == "/subscriptions?status=active"
    assert page_of(shop, way_on)


def test_what_names_a_person_is_withheld_from_a_session_without_the_scope(lived: str) -> None:
    with served(lived, api_key=OWN) as server:
        email = server.client.get("/v1/customers?limit=2", headers=bearer(OWN)).json()["items"][1][
            "email"
        ]
        assert "@" in email
        with signed_in(server, made(lived, "reads", "read")) as client:
            html = client.get("/customers").text
            assert email not in html
            assert "What names a person is withheld" in html
        with signed_in(server, made(lived, "sees", "personal")) as client:
            html = client.get("/customers").text
            assert email in html
            assert "withheld" not in html


def test_a_session_of_one_business_sees_nothing_of_others(lived: str) -> None:
    with served(lived, api_key=OWN) as server:
        key = made(lived, "other", "personal", business_id="bus_other")
        with signed_in(server, key) as client:
            for resource, field in ID_FIELD.items():
                html = client.get(f"/{resource}").text
                assert listed(html) == []
                assert "bus_other" in html
                known = server.client.get(f"/v1/{resource}?limit=1", headers=bearer(OWN)).json()[
                    "items"
                ][0][field]
                assert client.get(f"/{resource}/{known}").status_code == 404
                assert client.get("/search", params={"q": known}).status_code == 200
