"""Two servers that are sent the same webhooks in different orders tell the same, to the byte."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

import msgspec
import pytest

from projections.read_models.catalogue import LISTINGS
from tests.support.http_server import asked, copied
from tests.support.program import Program, has_caught_up, posted, serving
from tests.support.samples import rehearsals, samples
from tests.support.sender import Webhook, simulated
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

IDS = {resource: listing.id_field for resource, listing in LISTINGS.items()}
OF_ARRIVAL = {"position", "recorded_at"}
"""What tells when a webhook arrived, and so differs."""

Told: TypeAlias = dict[str, list[bytes]]
"""By path, the items that are told there."""


class _Page(msgspec.Struct):
    items: list[msgspec.Raw]
    next: str | None


def shuffled(webhooks: list[Webhook], chance: random.Random) -> list[Webhook]:
    """Put them in another order, a third of them twice or more often."""
    repeated = webhooks + chance.choices(webhooks, k=len(webhooks) // 3)
    return chance.sample(repeated, len(repeated))


def post_in_order(server: Program, webhooks: list[Webhook]) -> None:
    with server.client() as client:
        for webhook_id, body in webhooks:
            assert posted(client, body, webhook_id).status_code == 200
        until(lambda: has_caught_up(client))


def items(client: httpx.Client, path: str) -> Iterator[bytes]:
    """Read a list to its end, each item as its bytes."""
    query: dict[str, str | int] = {"limit": 100}
    while True:
        response = client.get(path, params=query)
        assert response.status_code == 200, response.text
        page = msgspec.json.decode(response.content, type=_Page)
        yield from map(bytes, page.items)
        if page.next is None:
            return
        query["cursor"] = page.next


def facts(client: httpx.Client, path: str) -> list[bytes]:
    """Read a timeline, without what tells of arrival."""
    entries = map(json.loads, items(client, path))
    return [
        json.dumps(
            {name: value for name, value in entry.items() if name not in OF_ARRIVAL}
        ).encode()
        for entry in entries
    ]


def objects(client: httpx.Client, resource: str) -> Told:
    """Read a list's objects, each of them by itself, and their timelines."""
    told: Told = {}
    for listed in items(client, f"/v1/{resource}"):
        path = f"/v1/{resource}/{quote(json.loads(listed)[IDS[resource]], safe='')}"
        assert path not in told, "two businesses share an id: the first to arrive is told"
        assert client.get(path).content == listed
        told[path] = [listed]
        told[f"{path}/timeline"] = facts(client, f"{path}/timeline")
    assert told or resource == "products", "of all but products there are webhooks"
    return told


def customers(client: httpx.Client, customer_ids: set[str]) -> Told:
    told: Told = {}
    for customer_id in customer_ids:
        path = f"/v1/customers/{quote(customer_id, safe='')}"
        told[path] = [json.dumps(asked(client, path)).encode()]
        told[f"{path}/timeline"] = facts(client, f"{path}/timeline")
    return told


def everything(server: Program) -> Told:
    with server.client() as client:
        told: Told = {}
        for resource in IDS:
            told |= objects(client, resource)
        lines = [json.loads(item) for of_path in told.values() for item in of_path]
        told |= customers(
            client, {line["customer_id"] for line in lines if line.get("customer_id")}
        )
        # This list is in the order of arrival.
        told["/v1/refusals"] = sorted(facts(client, "/v1/refusals"))
    return told


@pytest.mark.long
@pytest.mark.parametrize("seed", [4])
def test_the_order_of_arrival_changes_nothing_that_is_told(
    cluster: str, template: str, tmp_path: Path, seed: int
) -> None:
    bodies = samples() | rehearsals()
    webhooks = simulated(6, seed) + [Webhook(f"msg_{name}", bodies[name]) for name in bodies]
    orders = webhooks, shuffled(webhooks, random.Random(seed))
    with (
        copied(cluster, template) as first,
        copied(cluster, template) as second,
        serving(tmp_path / "one", DATABASE_URL=first) as one,
        serving(tmp_path / "other", DATABASE_URL=second) as other,
        ThreadPoolExecutor(2) as pool,
    ):
        list(pool.map(post_in_order, (one, other), orders))
        told, told_by_other = everything(one), everything(other)
    assert told.keys() == told_by_other.keys()
    assert told == told_by_other
    assert told["/v1/refusals"]
