"""Asking without a server: the operations on a database, and a timeline read to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from api.http.errors import ApiError
from api.resources.customers import CustomerPage
from api.resources.lifecycle import whole_lifecycle
from cli.offline_queries import asked
from cli.settings import Settings
from tests.support.histories import said
from tests.support.projected import project, record

if TYPE_CHECKING:
    from pathlib import Path

    from api.queries.read_side import ReadSide
    from api.resources.lifecycle import Lifecycle

FACTS = 250


@pytest.fixture
def customers(database: str, tmp_path: Path) -> Settings:
    """Settings of a database that knows one customer, of whom there are more facts than a page."""
    about = {"subscription_id": "sub_1", "customer_id": "cus_1"}
    record(database, [said("subscription.updated", n, f"msg_{n}", **about) for n in range(FACTS)])
    project(database)
    return Settings(home=tmp_path, database_url=database)


def lifecycle(settings: Settings, customer_id: str, items_max: int) -> Lifecycle:
    async def ask(read_side: ReadSide) -> Lifecycle:
        return await whole_lifecycle(read_side, CustomerPage(id=customer_id), items_max)

    return asked(settings, ask, lambda _phase, _done, _total: None)


def test_a_long_timeline_is_read_to_its_end(customers: Settings) -> None:
    found = lifecycle(customers, "cus_1", 10_000)
    assert [item.webhook_id for item in found.items] == [f"msg_{n}" for n in range(FACTS)]
    assert found.next is None
    assert [one.subscription_id for one in found.subscriptions] == ["sub_1"]


def test_a_timeline_that_is_too_long_says_that_there_is_more(customers: Settings) -> None:
    found = lifecycle(customers, "cus_1", 200)
    assert len(found.items) == 200
    assert found.next is not None


def test_an_error_is_the_one_that_http_answers(customers: Settings) -> None:
    with pytest.raises(ApiError, match="no customer with this id has been seen") as error:
        lifecycle(customers, "cus_x", 10_000)
    assert error.value.status == 404
