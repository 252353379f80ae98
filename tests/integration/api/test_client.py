"""The client and a real server: every question, both ways to wait, and what goes wrong."""

from __future__ import annotations

import asyncio
import inspect
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

import api.client
from api.client import AsyncRaphus, Raphus, RequestFailed, Unavailable
from api.queries import freshness
from domain.aggregates.payment import PaymentEntity
from domain.aggregates.subscription import SubscriptionEntity
from domain.customer import Customer
from tests.support.http_server import copied, served
from tests.support.keys import made
from tests.support.odd_server import answer, odd_server
from tests.support.projected import few_payouts, project, record, simulated
from tests.support.samples import samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.http_server import Served
    from tests.support.odd_server import Odd

KEY: Final = "a-key-of-thirty-two-characters-0"


@pytest.fixture(scope="module")
def known(cluster: str, template: str) -> Iterator[str]:
    """A database that knows a merchant's customers; for tests that only read."""
    with copied(cluster, template) as conninfo:
        record(conninfo, few_payouts(simulated(12, seed=5)))
        project(conninfo)
        yield conninfo


@pytest.fixture(scope="module")
def shop(known: str) -> Iterator[Served]:
    """A server with a key."""
    with served(known, api_key=KEY) as running:
        running.client.headers["authorization"] = f"Bearer {KEY}"
        yield running


@pytest.fixture(scope="module")
def reading_key(known: str) -> str:
    """A key that reads all but what names a person."""
    return made(known, "reader", "read")


@pytest.fixture
def raphus(shop: Served) -> Iterator[Raphus]:
    with Raphus(shop.url, api_key=KEY) as made:
        yield made


def a_subscription(raphus: Raphus) -> SubscriptionEntity:
    """The newest subscription with a customer and metadata."""
    return next(one for one in raphus.list(SubscriptionEntity) if one.customer_id and one.metadata)


def test_the_example_of_the_package_runs(
    shop: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAPHUS_URL", shop.url)
    monkeypatch.setenv("RAPHUS_API_KEY", KEY)
    lines = (inspect.getdoc(api.client) or "").splitlines()
    example = [line[4:] for line in lines if line.startswith("    ") or not line]
    code = "\n".join(example).strip()
    assert len([line for line in code.splitlines() if line]) == 3
    exec(code, {})  # noqa: S102 -- our own
    assert capsys.readouterr().out == "False\n"


def test_access_state_and_customer_are_told_as_the_server_has_them(
    shop: Served, raphus: Raphus
) -> None:
    subscription = a_subscription(raphus)
    customer_id, product_id = subscription.customer_id, subscription.product_id
    assert customer_id is not None
    access = raphus.access(customer_id=customer_id, product_id=product_id)
    told = shop.get("/v1/access", customer_id=customer_id, product_id=str(product_id))
    assert access.access is told["access"]
    assert access.reason.text == told["reason"]["text"]
    assert access.rests_on[0].id == told["rests_on"][0]["id"]
    assert (
        raphus.state(customer_id=customer_id).access.access
        is raphus.access(customer_id=customer_id).access
    )
    customer = raphus.customer(customer_id)
    assert customer == raphus.get(Customer, customer_id)
    assert customer.subscriptions == len(
        [*raphus.list(SubscriptionEntity, customer_id=customer_id)]
    )
    assert raphus.access(email=customer.email).customers[0].customer_id == customer_id
    assert raphus.get(SubscriptionEntity, subscription.subscription_id) == subscription


def test_a_webhook_is_told_to_the_byte(shop: Served, raphus: Raphus) -> None:
    (listed,) = shop.get("/v1/events", limit=1)["items"]
    event = raphus.webhook(listed["webhook_id"])
    assert event.body == shop.get(f"/v1/events/{listed['webhook_id']}")["body"]


def test_the_past_is_asked_about(raphus: Raphus) -> None:
    subscription = a_subscription(raphus)
    with pytest.raises(RequestFailed) as failed:
        raphus.get(
            SubscriptionEntity,
            subscription.subscription_id,
            as_of=datetime(2020, 1, 1, tzinfo=UTC),
        )
    assert (failed.value.status, failed.value.code) == (404, "not_yet")


def test_a_list_is_gone_through_to_its_end_and_reads_no_page_too_many(raphus: Raphus) -> None:
    ids = [one.payment_id for one in raphus.list(PaymentEntity, limit=100)]
    assert len(ids) == len(set(ids)) > 20
    assert [one.payment_id for one in raphus.list(PaymentEntity, limit=7)] == ids
    filtered = raphus.list(PaymentEntity, status="failed", metadata={"no": "such"})
    assert [*filtered] == []


def test_what_is_awaited_is_the_same(shop: Served, raphus: Raphus) -> None:
    subscription = a_subscription(raphus)
    customer_id = str(subscription.customer_id)

    async def asked() -> None:
        async with AsyncRaphus(shop.url, api_key=KEY) as waiting:
            both = await asyncio.gather(
                waiting.customer(customer_id), waiting.access(customer_id=customer_id)
            )
            assert both[0] == raphus.customer(customer_id)
            assert both[1].access is raphus.access(customer_id=customer_id).access
            payments = [one async for one in waiting.list(PaymentEntity, limit=7)]
            assert payments == [*raphus.list(PaymentEntity)]
            with pytest.raises(RequestFailed) as failed:
                await waiting.get(PaymentEntity, "..")
            assert failed.value.status == 404

    asyncio.run(asked())


def test_an_answer_may_wait_for_a_webhook(server: Served) -> None:
    position = server.deliver(samples()["payment.succeeded"])
    with Raphus(server.url) as raphus:
        (payment,) = raphus.list(PaymentEntity, min_position=position)
    assert payment.status == "succeeded"


def test_what_a_key_may_not_see_is_empty_and_all_else_is_told(
    raphus: Raphus, shop: Served, reading_key: str
) -> None:
    whole = a_subscription(raphus)
    customer = raphus.customer(str(whole.customer_id))
    assert whole.metadata
    assert customer.email
    with Raphus(shop.url, api_key=reading_key) as reader:
        seen = reader.get(SubscriptionEntity, whole.subscription_id)
        assert msgspec.structs.replace(whole, metadata={}) == seen
        assert seen in list(reader.list(SubscriptionEntity))
        told = reader.customer(customer.customer_id)
        assert (told.email, told.metadata) == (None, {})
        assert (told.totals, told.sources) == (customer.totals, customer.sources)
        assert reader.webhook(customer.sources["email"].webhook_id).body == ""


def test_a_refusal_says_what_the_server_says(shop: Served, raphus: Raphus) -> None:
    with pytest.raises(RequestFailed) as failed:
        raphus.access(customer_id="cus_1", email="a@example.com")
    assert (failed.value.status, failed.value.code) == (400, "invalid_parameter")
    assert failed.value.details == {"expected": ["customer_id", "email", "external_id"]}
    assert "several are given" in str(failed.value)
    assert not isinstance(failed.value, Unavailable)
    with Raphus(shop.url, api_key="wrong") as stranger, pytest.raises(RequestFailed) as failed:
        stranger.customer("cus_1")
    assert (failed.value.status, failed.value.code) == (401, "unauthorized")
    assert "wrong" not in str(failed.value)


def test_a_server_that_cannot_answer_now_says_when_to_ask_again(
    raphus: Raphus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freshness, "WAIT_S", 0.05)
    with pytest.raises(Unavailable) as failed:
        raphus.access(customer_id="cus_1", min_position=10**9)
    assert (failed.value.status, failed.value.code) == (503, "not_yet")
    assert failed.value.retry_after_s == 1


def test_nobody_there_and_nobody_answering_are_told_apart_and_from_refusals() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Raphus(url, timeout_s=0.2) as raphus, pytest.raises(Unavailable) as failed:
            raphus.access(customer_id="cus_1")
    assert (failed.value.status, failed.value.code) == (None, "timeout")
    with Raphus(url, api_key=KEY) as raphus, pytest.raises(Unavailable) as failed:
        raphus.access(customer_id="cus_1")
    assert (failed.value.status, failed.value.code) == (None, "unreachable")
    assert KEY not in repr(failed.value) + repr(failed.value.__cause__)


def test_where_the_connection_is_lost_a_question_is_asked_once_more() -> None:
    page = answer("200 OK", b'{"items": [], "next": null}')
    with odd_server(b"", page) as odd, Raphus(odd.url) as raphus:
        assert [*raphus.list(PaymentEntity)] == []
        assert len(odd.requests) == 2
    with odd_server(b"", b"", page) as odd, Raphus(odd.url) as raphus:
        with pytest.raises(Unavailable) as failed:
            [*raphus.list(PaymentEntity)]
        assert (failed.value.code, len(odd.requests)) == ("unreachable", 2)


def test_who_awaits_asks_once_more_too() -> None:
    async def asked(odd: Odd) -> list[PaymentEntity]:
        async with AsyncRaphus(odd.url) as raphus:
            return [one async for one in raphus.list(PaymentEntity)]

    page = answer("200 OK", b'{"items": [], "next": null}')
    with odd_server(b"", page) as odd:
        assert asyncio.run(asked(odd)) == []
        assert len(odd.requests) == 2


def test_where_a_server_has_answered_it_is_not_asked_again() -> None:
    busy = answer("503 Service Unavailable", b"<html>", "retry-after: 7")
    with odd_server(busy) as odd, Raphus(odd.url) as raphus:
        with pytest.raises(Unavailable) as failed:
            raphus.customer("cus_1")
        assert (failed.value.status, failed.value.code) == (503, "unexpected")
        assert (failed.value.retry_after_s, len(odd.requests)) == (7, 1)


def test_the_key_follows_no_redirect() -> None:
    with odd_server() as other:
        moved = answer("302 Found", b"", f"location: {other.url}/")
        with odd_server(moved) as odd, Raphus(odd.url, api_key=KEY) as raphus:
            with pytest.raises(RequestFailed) as failed:
                raphus.customer("cus_1")
            assert (failed.value.status, failed.value.code) == (302, "unexpected")
        assert other.requests == []


def test_what_no_raphus_answers_is_not_taken_for_an_answer() -> None:
    for body in (b"<html>", b"{}", b'{"items": 1, "next": null}'):
        with odd_server(answer("200 OK", body)) as odd, Raphus(odd.url) as raphus:
            with pytest.raises(RequestFailed) as failed:
                [*raphus.list(PaymentEntity)]
            assert (failed.value.status, failed.value.code) == (200, "unreadable")


def test_what_a_newer_server_adds_is_passed_over(shop: Served, raphus: Raphus) -> None:
    listed = shop.client.get("/v1/payments", params={"limit": 1}).content
    assert listed.count(b'"payment_id"') == 1
    newer = listed.replace(b'"payment_id"', b'"what_is_new":{"a":[1]},"payment_id"')
    newer = newer.replace(b'"next":"', b'"total":1,"next":null,"was":"')
    with odd_server(answer("200 OK", newer)) as odd, Raphus(odd.url) as other:
        assert [*other.list(PaymentEntity)] == [next(raphus.list(PaymentEntity))]
