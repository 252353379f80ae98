"""Where no page is: what a person sees, and that programs are answered as ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from console.security import POLICY
from console.static_files import asset

if TYPE_CHECKING:
    from tests.support.http_server import Served

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_an_address_without_a_page_is_told_to_people_as_a_page(untold: Served) -> None:
    answer = untold.client.get("/nowhere/at/all", headers=HTML)
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    assert 'id="q"' in answer.text  # the search is in reach


@pytest.mark.parametrize("path", ["/nowhere", "/v1/nowhere"])
def test_programs_are_answered_in_json_as_ever(path: str, untold: Served) -> None:
    headers = HTML if path.startswith("/v1") else {"accept": "*/*"}
    answer = untold.client.get(path, headers=headers)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_the_way_in_is_still_only_for_webhooks(untold: Served) -> None:
    answer = untold.client.get("/webhooks/dodo", headers=HTML)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_a_defect_is_a_page_that_quotes_nothing_of_it(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr("console.serving.PageEndpoint._seen", broken)
    answer = server.client.get("/payments", headers=HTML)
    assert answer.status_code == 500
    assert "A defect in Raphus" in answer.text
    assert "a secret" not in answer.text
    assert answer.headers["content-security-policy"] == POLICY


def test_an_object_that_is_not_known_is_told_so(untold: Served) -> None:
    answer = untold.client.get("/payments/pay_none", headers=HTML)
    assert answer.status_code == 404
    assert "No payment with this id has been seen." in answer.text


@pytest.mark.parametrize("address", ["/", "/payments", "/payments/none", "/nowhere", "/sign-in"])
def test_every_page_forbids_what_it_does_not_need(address: str, untold: Served) -> None:
    headers = untold.client.get(address, headers=HTML).headers
    assert headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_files_are_kept_until_they_change_and_sent_compressed(untold: Served) -> None:
    kept = untold.client.get(asset("raphus.css"))
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert kept.headers["content-encoding"] == "gzip"
    assert untold.client.get("/static/raphus.css?v=old").headers["cache-control"] == "no-cache"
    plain = untold.client.get("/static/raphus.css", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == kept.content


@pytest.mark.parametrize(
    "name", ["none.css", "../catalogue.py", "%2e%2e/catalogue.py", "vendor/README.md", ""]
)
def test_no_other_file_is_sent(name: str, untold: Served) -> None:
    assert untold.client.get(f"/static/{name}").status_code == 404
