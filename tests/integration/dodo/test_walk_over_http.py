"""Whole lists over real HTTP: ours meet everything, the SDK's own pages do not."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import httpx
import msgspec
import pytest
from dodopayments import DodoPayments, omit

from dodo import endpoints
from dodo.endpoints import (
    CUSTOMERS,
    GRANTS,
    GRANTS_OF_CUSTOMER,
    LEDGER,
    PAYMENTS,
    SUBSCRIPTIONS,
    ListEndpoint,
)
from dodo.walk import Place, Step, Walk
from simulator import merchant
from tests.support.dodo_stand_in import KEY, PRESENT, DodoStandIn, asking, saying, standing_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dodopayments import Omit

    from dodo.client import Dodo

FROM_NOW = Place(until=PRESENT)
WITHOUT_IDS = [
    name
    for name, endpoint in vars(endpoints).items()
    if name.isupper() and isinstance(endpoint, ListEndpoint) and not endpoint.ids
]


@pytest.fixture(scope="module")
def stand_in() -> Iterator[DodoStandIn]:
    with standing_in(merchant(3, customers=80, until=PRESENT)) as serving:
        yield serving


@pytest.fixture(scope="module")
def client(stand_in: DodoStandIn) -> Iterator[Dodo]:
    with asking(stand_in) as dodo:
        yield dodo


def met(
    dodo: Dodo, endpoint: ListEndpoint, *ids: str, place: Place = FROM_NOW, size: int = 100
) -> set[str]:
    walk = Walk(dodo, endpoint, *ids, place=place, size=size)
    return {item.id for step in walk for item in step.items}


def there(stand_in: DodoStandIn, kind: str) -> set[str]:
    return {kept for of_kind, kept in stand_in._business._histories if of_kind == kind}


@pytest.mark.parametrize("kind", ["payment", "subscription", "refund", "dispute", "payout"])
def test_a_walk_meets_everything_in_pages_of_any_size(
    kind: str, stand_in: DodoStandIn, client: Dodo
) -> None:
    endpoint = getattr(endpoints, f"{kind.upper()}S")
    for size in (7, 100):
        assert met(client, endpoint, size=size) == there(stand_in, kind)


@pytest.mark.parametrize("name", WITHOUT_IDS)
def test_every_list_can_be_walked(name: str, client: Dodo) -> None:
    endpoint: ListEndpoint = getattr(endpoints, name)
    deleted = {"CREDIT_ENTITLEMENTS_DELETED"}
    assert bool(met(client, endpoint, size=50)) == (name not in deleted)


def test_lists_of_something_are_walked_by_its_ids(stand_in: DodoStandIn, client: Dodo) -> None:
    granted = {
        id_
        for sold in met(client, endpoints.ENTITLEMENTS)
        for id_ in met(client, GRANTS, sold, size=3)
    }
    assert granted == there(stand_in, "entitlement_grant")
    customers = met(client, CUSTOMERS)
    by_customer = {id_ for one in customers for id_ in met(client, GRANTS_OF_CUSTOMER, one)}
    assert by_customer == granted
    entries = set()
    for sort in met(client, endpoints.CREDIT_ENTITLEMENTS):
        for step in Walk(client, endpoints.BALANCES, sort, place=FROM_NOW, size=3):
            for item in step.items:
                customer_id = msgspec.json.decode(item.data)["customer_id"]
                entries |= met(client, LEDGER, sort, customer_id, size=4)
    assert entries == there(stand_in, "credit")


def test_what_leaves_between_two_pages_makes_nothing_else_be_missed() -> None:
    with standing_in(merchant(3, customers=20, until=PRESENT)) as changing:
        newest = [
            row.id for row in changing._business.at(PRESENT).all("payment").between(None, None)
        ]
        gone, stay = newest[:8:2], {*newest[1:8:2], *newest[8:]}
        changing.between.extend(partial(changing.remove, "payment", id_) for id_ in gone)
        with asking(changing) as dodo:
            assert stay <= met(dodo, PAYMENTS, size=5)
        assert there(changing, "payment") == stay


def test_what_comes_meanwhile_with_an_old_date_makes_nothing_be_missed() -> None:
    history = merchant(3, customers=20, until=PRESENT)
    late = [one for one in history if one.type == "payment.succeeded"][::4]
    with standing_in([one for one in history if one not in late]) as changing:
        stay = there(changing, "payment")
        changing.between.extend(partial(changing.insert, one) for one in late)
        with asking(changing) as dodo:
            assert stay <= met(dodo, PAYMENTS, size=5)
        assert there(changing, "payment") > stay


def test_a_walk_that_was_broken_off_by_an_outage_goes_on(
    stand_in: DodoStandIn, client: Dodo
) -> None:
    kept: list[Step] = []
    for step in Walk(client, SUBSCRIPTIONS, place=FROM_NOW, size=5):
        kept.append(step)
        if len(kept) == 3:
            break
    before = {item.id for step in kept for item in step.items}
    asked = len(stand_in.asked)
    stand_in.faults.append(saying(503))
    after = met(client, SUBSCRIPTIONS, place=kept[-1].place, size=5)
    assert before | after == there(stand_in, "subscription")
    assert len(before & after) <= 1
    assert len(stand_in.asked) > asked


def test_a_walk_of_the_last_days_asks_for_no_others(stand_in: DodoStandIn, client: Dodo) -> None:
    since = PRESENT - timedelta(days=60)
    stand_in.asked.clear()
    found = met(client, PAYMENTS, place=Place(PRESENT, since), size=20)
    rows = stand_in._business.at(PRESENT).all("payment").between(since, None)
    assert found == {row.id for row in rows}
    asked = [one.query["created_at_gte"] for one in stand_in.asked]
    assert set(asked) == {"2026-08-02T00:00:00Z"}


@pytest.mark.parametrize("first", [omit, 0], ids=["unsaid", "said"])
def test_the_sdks_own_pages_skip_one_which_is_why_they_are_not_used(
    first: int | Omit, stand_in: DodoStandIn
) -> None:
    stand_in.asked.clear()
    client = httpx.Client(trust_env=False)
    with DodoPayments(bearer_token=KEY, base_url=stand_in.url, http_client=client) as sdk:
        found = {one.payment_id for one in sdk.payments.list(page_number=first, page_size=10)}
    numbers = [one.query.get("page_number", "0") for one in stand_in.asked]
    assert numbers[:3] == ["0", "2", "3"]
    assert len(found) == len(there(stand_in, "payment")) - 10
