"""What is staged of streams: the rows of each, and which of them may have lost some."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import pytest

from projections.live.writing import Writing
from projections.read_models.catalogue import READ_MODELS
from tests.support.histories import aggregates, of_one, said

if TYPE_CHECKING:
    from domain.aggregate import Aggregate
    from projections.live.writing import Staged

MODELS = [model for model in READ_MODELS if "subscription" in model.streams]
ONE: Final[dict[str, Any]] = {"subscription_id": "sub_1"}
ACTIVE = said("subscription.active", **ONE)
RENEWED = said("subscription.renewed", 1, **ONE)


@pytest.fixture(scope="module")
def writing() -> Writing:
    return Writing(MODELS, [], "raphus")


def staged_by(writing: Writing, *streams: tuple[Aggregate, set[str]]) -> list[Staged]:
    staged = writing.begin()
    some, new = zip(*streams, strict=True)
    writing.stage(staged, some, new)
    return staged


def losing(staged: list[Staged]) -> set[str]:
    return {stream_id for one in staged for stream_id in one.losing}


def test_a_stream_of_which_all_is_new_loses_nothing(writing: Writing) -> None:
    new = {ACTIVE.webhook_id, RENEWED.webhook_id}
    assert losing(staged_by(writing, (of_one(ACTIVE, RENEWED), new))) == set()


def test_a_stream_with_earlier_events_may_lose_rows(writing: Writing) -> None:
    stream = of_one(ACTIVE, RENEWED)
    assert losing(staged_by(writing, (stream, {RENEWED.webhook_id}))) == {stream.id}


def test_so_may_one_with_a_further_body(writing: Writing) -> None:
    further = said("subscription.active", 2, ACTIVE.webhook_id, **ONE)
    stream = of_one(ACTIVE, further)
    assert losing(staged_by(writing, (stream, {ACTIVE.webhook_id}))) == {stream.id}


def test_streams_that_are_staged_together_have_the_rows_that_each_has_alone(
    writing: Writing,
) -> None:
    ours = [
        said("subscription.active", n, f"msg_{n}", subscription_id=f"sub_{n}") for n in range(3)
    ]
    streams = [
        (stream, {event.delivery.webhook_id for event in stream.events})
        for stream in aggregates(ours).values()
    ]
    together = staged_by(writing, *streams)
    alone = [staged_by(writing, one) for one in streams]
    for place, model in enumerate(MODELS):
        assert together[place].rows == [row for one in alone for row in one[place].rows], (
            model.table
        )
    assert all(one != other for one, other in pairwise(alone))
