"""Scopes: every operation is answered to the keys that may ask it, and to no others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from api.http.scopes import SCOPES, Caller, Scope
from tests.support.driven import Known, Question, questions
from tests.support.http_server import Served, copied, served
from tests.support.keys import client_with, made
from tests.support.samples import samples

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import httpx

OWN: Final = "a-key-of-thirty-two-characters-0"
# What the samples say of persons, beside ids.
PERSONAL: Final = {
    "body",
    "cancellation_comment",
    "email",
    "metadata",
    "name",
    "phone_number",
    "reason",
    "remarks",
    "street",
    "tax_id",
}


class Shop(NamedTuple):
    """A server that knows all samples, with a key of each scope."""

    server: Served
    keys: dict[Scope, str]
    asked: list[Question]


@pytest.fixture(scope="module")
def shop(cluster: str, template: str) -> Iterator[Shop]:
    with copied(cluster, template) as conninfo, served(conninfo, api_key=OWN) as server:
        position = "0"
        for name, body in samples().items():
            position = server.deliver(body, f"msg_{name}")
        keys = {scope: made(conninfo, scope, scope) for scope in SCOPES}
        with client_with(OWN, server.url) as owner:
            assert owner.get("/v1/payments", params={"min_position": position}).is_success
            document = owner.get("/openapi.json").json()
            bodies = map(json.loads, filter(readable, samples().values()))
            known = Known(bodies, ids=[f"msg_{name}" for name in samples()])
            asked = questions(document, known, lambda path: owner.get(path).is_success)
        yield Shop(server, keys, first_of_each(asked))


def readable(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def first_of_each(asked: list[Question]) -> list[Question]:
    """Keep, for each operation, the plain question for each id."""
    return [question for question in asked if not question.query.keys() - {"limit", "reason"}]


def one_to_each(asked: list[Question]) -> Iterable[Question]:
    """Keep, for each operation, a question about what there is, if it changes nothing."""
    reading = {one.operation["operationId"]: one for one in reversed(asked) if one.method == "GET"}
    # The last is about what nobody knows, so that all others find what there was.
    changing = {one.operation["operationId"]: one for one in asked if one.method != "GET"}
    return (reading | changing).values()


@pytest.mark.parametrize("scope", SCOPES)
def test_an_operation_is_answered_to_the_keys_with_its_scope_and_to_no_others(
    scope: Scope, shop: Shop
) -> None:
    may = Caller.with_scopes([scope]).may
    with client_with(shop.keys[scope], shop.server.url) as client:
        for question in one_to_each(shop.asked):
            answer = question.ask(client)
            if question.is_public or question.scope in may:
                assert answer.status_code in {200, 400, 404}, question
            else:
                error = answer.json()["error"]
                assert (answer.status_code, error["code"]) == (403, "insufficient_scope"), question
                assert question.scope in error["details"]["needed"]
                assert f'scope="{question.scope}"' in answer.headers["www-authenticate"]


def test_who_reads_gets_the_same_answers_but_nothing_that_names_a_person(shop: Shop) -> None:
    withheld = 0
    with (
        client_with(shop.keys["read"], shop.server.url) as reader,
        client_with(shop.keys["personal"], shop.server.url) as personal,
    ):
        for question in shop.asked:
            if question.is_public or question.scope != "read":
                continue
            whole, part = question.ask(personal), question.ask(reader)
            assert whole.status_code == part.status_code, question
            assert "raphus-withheld" not in whole.headers
            if whole.is_success and "json" in whole.headers["content-type"]:
                nulls = differences(whole.json(), part.json())
                assert not nulls or part.headers["raphus-withheld"] == "personal", question
                assert nulls <= PERSONAL | {"problem", "answer"}, question
                withheld += len(nulls)
    assert withheld


def differences(whole: Any, part: Any, name: str = "") -> set[str]:  # noqa: ANN401 -- JSON
    """Name the fields that are null in one of two answers, which must be the same otherwise."""
    if part is None and whole is not None:
        return {name}
    if isinstance(whole, dict):
        assert whole.keys() == part.keys()
        told = whole.keys() - {"at", "lag_s", "made_of"}  # when it is asked
        return set().union(*(differences(whole[key], part[key], key) for key in told))
    if isinstance(whole, list):
        assert len(whole) == len(part)
        pairs = zip(whole, part, strict=True)
        return set().union(*(differences(one, other, name) for one, other in pairs))
    assert whole == part
    return set()


def test_no_word_about_a_person_is_told_to_who_only_reads(shop: Shop) -> None:
    persons = words_about_persons()
    assert len(persons) > 5
    with client_with(shop.keys["read"], shop.server.url) as reader:
        for question in shop.asked:
            text = question.ask(reader).text if not question.is_public else ""
            assert not [word for word in persons if word in text], question


def words_about_persons() -> set[str]:
    found: set[str] = set()
    for body in filter(readable, samples().values()):
        customer = json.loads(body).get("data", {})
        customer = customer.get("customer") if isinstance(customer, dict) else None
        if isinstance(customer, dict):
            values = (customer.get(name) for name in ("email", "name", "phone_number"))
            found |= {str(value) for value in values if is_word(value)}
    return found


def is_word(value: object) -> bool:
    """Tell whether it says something: a tool for testing webhooks has left some to be filled in."""
    return isinstance(value, str) and len(value) > 4 and "<" not in value


def test_what_is_about_the_whole_instance_is_told_to_who_may_see_it(shop: Shop) -> None:
    public = shop.server.client
    assert public.get("/readyz").json()["log_position"] is None
    assert public.get("/readyz").headers["raphus-withheld"] == "instance"
    with client_with(shop.keys["read"], shop.server.url) as reader:
        assert int(reader.get("/readyz").json()["log_position"]) == len(samples())
        assert "raphus-withheld" not in reader.get("/readyz").headers
    with client_with("nobody's", shop.server.url) as stranger:
        assert stranger.get("/readyz").json()["log_position"] is None


def test_requests_that_are_refused_are_counted_by_why(shop: Shop) -> None:
    with client_with(shop.keys["read"], shop.server.url) as reader:
        before = refused(reader)
        assert reader.post("/v1/routes/retry", params={"route": "x"}).status_code == 403
        assert shop.server.client.get("/v1/payments").status_code == 401
        after = refused(reader)
    assert after.get("insufficient_scope", 0) == before.get("insufficient_scope", 0) + 1
    assert after.get("unauthorized", 0) == before.get("unauthorized", 0) + 1


def refused(client: httpx.Client) -> dict[str, float]:
    lines = client.get("/metrics").text.splitlines()
    counted = (line.split('"') for line in lines if line.startswith("raphus_refused_requests"))
    return {parts[1]: float(parts[2].removeprefix("} ")) for parts in counted}
