"""Events as PostHog and Segment take them: once, of whom, how much, and nobody's name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.samples import sample, samples
from tests.support.scripts import announced, run, sent
from tests.support.services import serving
from tests.support.services.analytics import PROJECT_KEY, WRITE_KEY, PostHog, Segment


@pytest.fixture
def posthog() -> Iterator[PostHog]:
    with serving(PostHog()) as service:
        yield service


@pytest.fixture
def segment() -> Iterator[Segment]:
    with serving(Segment()) as service:
        yield service


def in_posthog(posthog: PostHog, arguments: dict[str, Any], **more: object) -> None:
    run("track_in_posthog", arguments, project_key=PROJECT_KEY, host=posthog.url, **more)


def in_segment(segment: Segment, arguments: dict[str, Any], **more: object) -> None:
    run("track_in_segment", arguments, write_key=WRITE_KEY, host=segment.url, **more)


def test_posthog_takes_an_event_once_and_as_the_customers(posthog: PostHog) -> None:
    arguments = sent("state", sample("payment.succeeded"))
    for _ in range(2):
        in_posthog(posthog, arguments)
    (event,) = posthog.events.values()
    assert len(posthog.asked) == 2
    state = arguments["state"]
    assert (event["event"], event["distinct_id"]) == ("payment.succeeded", state["customer_id"])
    assert event["timestamp"] == arguments["event"]["occurred_at"]
    told = event["properties"]
    assert (told["amount"], told["currency"]) == (22.61, "USD")
    assert told["subscription_id"] == state["subscription_id"]
    assert "Customer 17" not in str(event)
    assert "customer-17" not in str(event)


def test_a_person_is_told_where_that_is_asked_for(posthog: PostHog, segment: Segment) -> None:
    arguments = sent("state", sample("payment.succeeded"))
    traits = {"email": "customer-17@shop.example", "name": "Customer 17"}
    in_posthog(posthog, arguments, with_person=True)
    (event,) = posthog.events.values()
    assert event["properties"]["$set"] == traits
    in_segment(segment, arguments, with_person=True)
    identify, track = segment.messages.values()
    assert (identify["type"], identify["traits"], track["type"]) == ("identify", traits, "track")
    assert identify["userId"] == track["userId"] == arguments["state"]["customer_id"]


def test_what_is_about_nobody_makes_no_person(posthog: PostHog, segment: Segment) -> None:
    arguments = sent("state", sample("payout.success"))
    in_posthog(posthog, arguments)
    (event,) = posthog.events.values()
    assert event["properties"]["$process_person_profile"] is False
    in_segment(segment, arguments)
    (message,) = segment.messages.values()
    assert "userId" not in message


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        ("payment.succeeded--product-cart-list", "Order Completed"),
        ("refund.succeeded", "Order Refunded"),
    ],
)
def test_segment_knows_a_payment_and_a_refund_as_an_order(
    segment: Segment, type_: str, name: str
) -> None:
    for _ in range(2):
        in_segment(segment, sent("state", sample(type_)))
    (message,) = segment.messages.values()
    told = message["properties"]
    assert (message["event"], message["messageId"]) == (name, "msg_0")
    assert told["revenue"] == told["amount"] > 0
    assert told["order_id"].startswith("pay_")


@pytest.mark.parametrize("name", sorted(name for name in samples() if "--" not in name))
def test_every_type_is_taken(posthog: PostHog, segment: Segment, name: str) -> None:
    arguments = sent("state", sample(name))
    in_posthog(posthog, arguments)
    in_segment(segment, arguments)
    assert len(posthog.events) == len(segment.messages) == 1


def test_an_event_of_raphus_own_is_its_customers(posthog: PostHog) -> None:
    arguments = announced("access.revoked")
    in_posthog(posthog, arguments)
    (event,) = posthog.events.values()
    assert event["distinct_id"] == arguments["data"]["customer_id"]
    assert "$process_person_profile" not in event["properties"]


def test_a_wrong_key_fails_and_is_not_told(segment: Segment, posthog: PostHog) -> None:
    arguments = sent("state", sample("payment.succeeded"))
    for name, more in (
        ("track_in_segment", {"write_key": "a secret", "host": segment.url}),
        ("track_in_posthog", {"project_key": "a secret", "host": posthog.url}),
    ):
        with pytest.raises(Exception, match="answered 401") as caught:
            run(name, arguments, **more)
        assert "a secret" not in str(caught.value)
