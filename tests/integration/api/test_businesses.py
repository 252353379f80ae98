"""A key of one business: it is answered as if there were no other, by every operation there is."""

from __future__ import annotations

import csv
import io
import json
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain, groupby, zip_longest
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
import pytest
from pyarrow import parquet  # type: ignore[import-untyped]

from api.queries.read_side import Rules
from domain.aggregates.routing import NOTICE, route
from domain.look import delivery_of
from ledger.mapper import LedgerMapper
from projections.live.projector import Projector
from simulator import merchant
from tests.support import upgrades
from tests.support.driven import Known, Question, questions
from tests.support.histories import aggregates, delivery, said
from tests.support.http_server import copied, served
from tests.support.keys import client_with, made
from tests.support.looks import catalogue, observe
from tests.support.projected import project, record
from tests.support.windmill import outbox, write_routes
from workflows.outbox.follower import Outbox, begin
from workflows.routes.routes_file import RoutesFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import httpx

    from api.http.scopes import Scope
    from domain.delivery import Delivery
    from domain.look import Look

pytestmark = pytest.mark.long

OWN: Final = "a-key-of-thirty-two-characters-0"
UNTIL: Final = datetime(2026, 11, 1, tzinfo=UTC)
# Both have customers 1 and 2 with all of their objects and webhooks under the same ids; the second
# has more of them.
BUSINESSES: Final = {"bus_1": 2, "bus_2": 3}
ALL: Final[tuple[Scope, ...]] = ("personal", "admin")
PAYOUTS: Final = 6
"""The simulated merchant has one every few days."""
FEW: Final = 3
LATER: Final = timedelta(minutes=17, seconds=3)
# What is the log's own: it counts the events of others, too, or tells when all were recorded.
OF_THE_LOG: Final = {
    "at",
    "hash",
    "lag_s",
    "last_webhooks",
    "late_s",
    "made_of",
    "next",
    "position",
    "previous_hash",
    "recorded_at",
    "recorded_from",
    "recorded_to",
}
"""What tells of the log, and of when and how it is asked."""
OUR_IDS: Final = ("raphus_erasure_", "raphus_look_")
JOBS: Final = """
    UPDATE raphus.windmill_outbox SET state = 'parked', attempts = 1, created_at = '2026-05-01Z',
        problem = 'a problem of ' || stream_id;
    INSERT INTO raphus.windmill_attempts
    SELECT job_id, 1, timestamptz '2026-05-01Z', 7, 500,
        'an answer about ' || stream_id FROM raphus.windmill_outbox;
"""


def told_by(business_id: str) -> list[Delivery]:
    """All that Dodo says of a business; of the second in other words, at other times."""
    customers = BUSINESSES[business_id]
    said_of_it = []
    # The simulated ids depend on the business: both take those of a third one.
    occurrences = merchant(4351, customers=customers, until=UNTIL, business_id="bus_0")
    payouts = [one for one in occurrences if one.type.startswith("payout.")]
    for occurrence in (one for one in occurrences if one not in payouts[PAYOUTS:]):
        named = occurrence.body.replace(b'"bus_0"', f'"{business_id}"'.encode())
        one = delivery(named, occurrence.webhook_id)
        if business_id == "bus_2":
            body = json.loads(named)
            at = datetime.fromisoformat(body["timestamp"]) + LATER
            body |= {"timestamp": at.isoformat(), "data": foreign(body["data"])}
            is_notice = route(one).stream_id.startswith(f"{NOTICE}/")
            one = delivery(body, f"{one.webhook_id}{'_too' * is_notice}")
        said_of_it.append(one)
    return [*said_of_it, strange(business_id)]


def looked_at(business_id: str) -> list[Look]:
    """What Dodo's API says of it: of the second in other words."""
    return catalogue(business_id, products=2, mark="foreign_" * (business_id == "bus_2"))


def strange(business_id: str) -> Delivery:
    """A refusal that is of no aggregate."""
    one = json.loads(said("payment.succeeded", payment_id=None).body)
    return delivery({**one, "business_id": business_id}, f"msg_strange_{business_id}")


def foreign(node: Any, name: str = "") -> Any:  # noqa: ANN401 -- JSON
    """Say it in the words of the second business: what is no id of an object, and no state."""
    if isinstance(node, dict):
        return {key: foreign(value, key) for key, value in node.items()}
    if isinstance(node, list):
        return [foreign(value, name) for value in node]
    if name in {"name", "email", "product_id", "reason", "remarks", "payment_method", "brand_id"}:
        return node and f"foreign_{node}"
    return node + 1_000_000 if name.endswith("amount") and isinstance(node, int) else node


class Instance(NamedTuple):
    """A server, and clients by the business that their keys are bound to; None: of all."""

    conninfo: str
    clients: dict[str | None, httpx.Client]


@contextmanager
def instance(
    conninfo: str, deliveries: list[Delivery], routes: Path, looked_into: Iterable[str] = ()
) -> Iterator[Instance]:
    """Serve what has been recorded, with a parked job for every event; of some there are looks."""
    begin(conninfo)
    record(conninfo, deliveries)
    for business in looked_into:
        observe(conninfo, looked_at(business))
    project(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as conn:
        while Outbox(conninfo, RoutesFile(routes)).take(conn, RoutesFile(routes).current()).events:
            pass
        conn.execute(JOBS)
    keys = {
        business: made(conninfo, f"of_{business}", *ALL, business_id=business)
        for business in (*BUSINESSES, None)
    }
    routes_file = RoutesFile(routes, required=True)
    with served(conninfo, api_key=OWN, rules=Rules(routes_file)) as server, ExitStack() as stack:
        clients = {
            business: stack.enter_context(client_with(key, server.url))
            for business, key in keys.items()
        }
        yield Instance(conninfo, clients)


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_routes(tmp_path_factory.mktemp("routes"))


@pytest.fixture(scope="module")
def shared(cluster: str, template: str, routes: Path) -> Iterator[Instance]:
    """A server of both businesses; the second is always heard first."""
    both = zip_longest(told_by("bus_2"), told_by("bus_1"))
    deliveries = [one for one in chain.from_iterable(both) if one is not None]
    with (
        copied(cluster, template) as conninfo,
        instance(conninfo, deliveries, routes, BUSINESSES) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def asked(shared: Instance) -> list[Question]:
    """What can be asked with the ids and words of both businesses."""
    of_all = shared.clients[None]

    def is_there(path: str) -> bool:
        return of_all.get(path).status_code != 404

    return questions(of_all.get("/openapi.json").json(), known(), is_there)


def known() -> Known:
    told = [one for business in BUSINESSES for one in told_by(business)]
    looks = [delivery_of(one, "") for business in BUSINESSES for one in looked_at(business)]
    bodies = (json.loads(one.body) for one in [*told, *looks])
    # An id of several parts stands in no body, and one that things of two kinds have may be missed.
    things = [named for each in aggregates([*told, *looks]).values() for named in each.folded()]
    ids = (one.webhook_id for one in told)
    return Known([*bodies, {"route": "all"}], ids=ids, things=things)


def told(response: httpx.Response) -> tuple[int, object]:
    """What an answer says, but for what is the log's own."""
    return response.status_code, without(read(response))


def read(response: httpx.Response) -> object:
    """Read an answer, or a file: its rows."""
    type_ = response.headers["content-type"]
    if type_.startswith("text/csv"):
        rows = csv.DictReader(io.StringIO(response.text, newline=""), strict=True)
        return [
            {name: cell(row[name]) for name in row if not OF_THE_LOG & set(name.split("."))}
            for row in rows
        ]
    if type_ == "application/jsonl":
        return [json.loads(line) for line in response.text.splitlines()]
    if type_ == "application/vnd.apache.parquet":
        return parquet.read_table(io.BytesIO(response.content)).to_pylist()
    return response.json() if "json" in type_ else response.text


def cell(text: str) -> object:
    return json.loads(text) if text[:1] in {"[", "{"} else text


def without(node: Any) -> Any:  # noqa: ANN401 -- JSON
    if isinstance(node, dict):
        return {name: without(value) for name, value in node.items() if name not in OF_THE_LOG}
    if isinstance(node, str) and node.startswith(OUR_IDS):
        return OUR_IDS[0]  # what follows is random
    return [without(value) for value in node] if isinstance(node, list) else node


@pytest.mark.parametrize("business", BUSINESSES)
def test_it_is_answered_as_if_there_were_no_other(
    business: str,
    shared: Instance,
    asked: list[Question],
    cluster: str,
    template: str,
    routes: Path,
) -> None:
    other = next(one for one in BUSINESSES if one != business)
    with (
        copied(cluster, template) as conninfo,
        instance(conninfo, told_by(business), routes, [business]) as alone,
    ):
        answered = set()
        for question in asked:
            among_others = question.ask(shared.clients[business])
            # Without the others, a key of all sees no more than one that is bound.
            bound = question.is_public or question.is_of_all
            by_itself = question.ask(alone.clients[business if bound else None])
            assert told(among_others) == told(by_itself), question
            assert question.is_public or names(among_others.text, other) == [], question
            if among_others.status_code == 200:
                answered.add(question.operation["operationId"])
    of_all = {one.operation["operationId"] for one in asked if one.is_of_all}
    assert answered == {one.operation["operationId"] for one in asked} - of_all


def names(text: str, business: str) -> list[str]:
    """Find what only one business says; of the first, whose words are plain, its id."""
    within = [f'"{business}"', f"/{business}/", f",{business},", f"\n{business},"]
    marks = [business, "foreign_"] if business == "bus_2" else within
    return [mark for mark in marks if mark in text]


@pytest.mark.parametrize("business", BUSINESSES)
def test_page_by_page_it_is_the_same(
    business: str, shared: Instance, asked: list[Question]
) -> None:
    client = shared.clients[business]
    for question in asked:
        if takes(question, "cursor"):
            whole = question.ask(client)
            items = whole.json()["items"] if whole.status_code == 200 else []
            if 1 < len(items) < 100:
                assert pages(client, question, limit=-(-len(items) // 3)) == items, question


def takes(question: Question, name: str) -> bool:
    return any(one["name"] == name for one in question.operation["parameters"])


def few(
    asked: Iterable[Question], client: httpx.Client
) -> Iterator[tuple[Question, httpx.Response]]:
    """Yield some questions to each operation, with what is told, first those that it answers."""
    reading = (question for question in asked if question.method == "GET")
    by_operation = groupby(reading, key=lambda question: question.operation["operationId"])
    for _, own in by_operation:
        found: list[tuple[Question, httpx.Response]] = []
        others: list[tuple[Question, httpx.Response]] = []
        for question in own:
            answer = question.ask(client)
            (found if answer.status_code == 200 else others).append((question, answer))
            if len(found) == FEW:
                break
        yield from [*found, *others][:FEW]


def pages(client: httpx.Client, question: Question, limit: int) -> list[object]:
    page = question.ask(client, limit=str(limit)).json()
    items: list[object] = page["items"]
    assert len(items) == limit
    while page["next"] is not None:
        page = question.ask(client, limit=str(limit), cursor=page["next"]).json()
        items += page["items"]
    return items


def test_of_the_past_as_it_was_known_it_is_the_same(
    shared: Instance, asked: list[Question]
) -> None:
    now = datetime.now(UTC).isoformat()
    client = shared.clients["bus_1"]
    for question, as_it_is in few((one for one in asked if takes(one, "known_at")), client):
        then = question.ask(client, known_at=now)
        status, answer = told(as_it_is)
        if isinstance(answer, dict) and "parked_jobs" in answer:
            answer["parked_jobs"] = None  # nothing tells which were parked in the past
        assert told(then) == (status, answer), question
        assert names(then.text, "bus_2") == [], question


def test_a_key_of_all_reads_what_the_key_of_everything_reads(
    shared: Instance, asked: list[Question]
) -> None:
    of_all = shared.clients[None]
    with client_with(OWN, str(of_all.base_url)) as owner:
        for question, answer in few((one for one in asked if "/v1/" in one.path), of_all):
            assert told(answer) == told(question.ask(owner)), question


def test_the_log_is_followed_over_stretches_that_are_anothers(
    shared: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shared.clients["bus_1"].get("/v1/events", params={"limit": 100}).json()["items"]
    monkeypatch.setattr("api.resources.events.LOOKED_AT_MAX", 3)
    found: list[object] = []
    query: dict[str, str] = {"limit": "100"}
    while len(found) < len(whole):
        page = shared.clients["bus_1"].get("/v1/events", params=query).json()
        found += page["items"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert found == whole
    found, query = [], {"limit": "100", "order": "desc"}
    while len(found) < len(whole):
        page = shared.clients["bus_1"].get("/v1/events", params=query).json()
        found += page["items"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert found == whole[::-1]


def test_only_jobs_of_its_own_are_made_to_wait_again(database: str, routes: Path) -> None:
    deliveries = [*told_by("bus_2")[:9], *told_by("bus_1")[:5]]
    with instance(database, deliveries, routes) as running:
        response = running.clients["bus_1"].post("/v1/routes/retry", params={"route": "all"})
        assert response.json() == {"retried": 5}
    waiting = [
        stream for stream, state in outbox(database, "stream_id, state") if state != "parked"
    ]
    assert len(waiting) == 5
    assert not any("bus_2" in stream for stream in waiting)


def test_what_two_businesses_say_under_one_webhook_id_without_an_aggregate_is_no_ones(
    database: str, routes: Path
) -> None:
    bodies = [
        {
            "business_id": one,
            "type": "a.type",
            "timestamp": "2026-05-01T00:00:00Z",
            "data": {"of": one},
        }
        for one in BUSINESSES
    ]
    with instance(database, [delivery(body, "msg_both") for body in bodies], routes) as running:
        for business, client in running.clients.items():
            listed = client.get("/v1/events").json()["items"]
            assert len(listed) == (0 if business else 2)
            one = client.get("/v1/events/msg_both")
            assert one.status_code == (404 if business else 200)
            assert client.get("/v1/routes/outbox").json()["items"] == [] or business is None


def test_what_was_stored_before_its_type_was_understood_is_shown_to_its_business(
    database: str, routes: Path
) -> None:
    grants = [
        delivery(
            {
                "business_id": one,
                "type": "entitlement_grant.created",
                "timestamp": "2026-05-01T00:00:00Z",
                "data": {"id": "grant_1", "customer_id": "cus_1"},
            },
            f"msg_{one}",
        )
        for one in BUSINESSES
    ]
    with ExitStack() as stack:
        with upgrades.unknown(upgrades.LATER):
            running = stack.enter_context(instance(database, grants, routes))
        with psycopg.connect(database) as conn:
            Projector(LedgerMapper()).adopt_all(conn)
        for business in BUSINESSES:
            client = running.clients[business]
            for path in ("/v1/events", "/v1/routes/outbox"):
                found = client.get(path).json()["items"]
                assert [one["webhook_id"] for one in found] == [f"msg_{business}"], path
            grant = client.get("/v1/entitlement_grants/grant_1").json()
            assert grant.get("business_id") == business, grant
            assert client.get(f"/v1/events/msg_{business}").status_code == 200
