"""Exports over HTTP: they say what the lists answer, of one moment, and end for whoever leaves."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import socket
import threading
from contextlib import ExitStack, aclosing, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import httpx
import psycopg
import pytest
from pyarrow import parquet  # type: ignore[import-untyped]

from api.exports import one_moment
from api.exports.catalogue import EXPORTS, find
from api.exports.one_moment import stood_at
from api.exports.walk import parts
from api.http.errors import ApiError
from api.http.scopes import OWNER
from api.queries.database import Database
from api.queries.product_names import ProductNames
from api.queries.read_side import ReadSide, Rules
from api.queries.snapshot_cache import SnapshotCache
from ledger.erasure import Request
from postgres.failures import AWAY
from tests.support.histories import delivery, said
from tests.support.http_server import Served, copied, served
from tests.support.keys import client_with, made
from tests.support.looks import catalogue, observe
from tests.support.outages import away
from tests.support.past import told_in_halves
from tests.support.projected import few_payouts, project, record, simulated
from tests.support.resources import ID_FIELD
from tests.support.samples import samples
from tests.support.waiting import GUARD_S, until
from workflows.erasure import forget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from api.exports.catalogue import Export
    from tests.support.http_server import CopyOf
    from tests.support.past import Past

OWN: Final = "a-key-of-thirty-two-characters-0"
SUBSCRIPTIONS: Final = "/v1/exports/subscriptions"
AS_OF: Final = "2026-10-01T00:00:00Z"
SPRING: Final = {"start": "2026-01-01", "end": "2026-10-31"}
EXPORTING: Final = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'raphus-export'"
REPORTS: Final = ("revenue/mrr", "revenue/cohorts", "revenue/trials", "revenue/net")
EMPTY: Final = {"reconciliations", "findings", "routes", "routes/outbox", "routes/attempts"}
"""What a merchant has nothing of who is asked by webhooks alone."""


class Shop(NamedTuple):
    """A server, clients of it by what their keys may see, and the first id of each list."""

    conninfo: str
    clients: dict[str, httpx.Client]
    between: str
    ids: dict[str, str]


@pytest.fixture(scope="module")
def shop(cluster: str, template: str) -> Iterator[Shop]:
    """Much of everything, told in two parts, of two businesses; one customer is forgotten."""
    told = [delivery(body, f"msg_{name}") for name, body in samples().items()]
    with copied(cluster, template) as conninfo:
        of_a_shop = few_payouts(simulated(12, seed=3))
        record(conninfo, of_a_shop[:-40])
        with psycopg.connect(conninfo) as conn:
            ((between,),) = conn.execute("SELECT max(recorded_at) FROM raphus.ledger_events")
        late = said("subscription.renewed", 900, subscription_id="sub_late")
        ended = said("subscription.expired", 600, subscription_id="sub_late")
        record(conninfo, [*told, ended, late, *of_a_shop[-40:]])
        observe(conninfo, catalogue("bus_demo", products=3))
        project(conninfo)
        with psycopg.connect(conninfo) as conn:
            ((last,),) = conn.execute("SELECT max(customer_id) FROM raphus.subscriptions")
        forget(conninfo, Request(last, None, "she asked", "support"))
        keys = {
            "personal": made(conninfo, "personal", "personal"),
            "read": made(conninfo, "read", "read"),
            "bound": made(conninfo, "bound", "personal", business_id="bus_demo"),
        }
        with served(conninfo, api_key=OWN) as server, ExitStack() as stack:
            clients = {
                name: stack.enter_context(client_with(key, server.url))
                for name, key in keys.items()
            }
            yield Shop(conninfo, clients, between.isoformat(), first_ids(clients["personal"]))


def first_ids(client: httpx.Client) -> dict[str, str]:
    """The ids of what was there first, so that it is at all times that are asked about."""
    lists = {name: client.get(f"/v1/{name}?limit=100").json()["items"] for name in ID_FIELD}
    return {name: items[-1][ID_FIELD[name]] for name, items in lists.items()}


def prepared(client: httpx.Client, path: str, query: dict[str, str]) -> httpx.Response:
    """Ask, more than once where read models of the past are built first."""
    answers: list[httpx.Response] = []

    def is_told() -> bool:
        answers.append(client.get(path, params=query))
        return "preparing" not in answers[-1].text[:100]

    until(is_told)
    return answers[-1]


def everything(client: httpx.Client, path: str, **query: str) -> list[Any] | str:
    """Read all pages of a list, or why it is refused."""
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        response = prepared(client, path, {**query, **cursor})
        if response.status_code != 200:
            return response.text
        page = response.json()
        found += page["items"]
        if page.get("next") is None:
            return found
        cursor = {"cursor": page["next"]}


def exported(client: httpx.Client, name: str, **query: str) -> list[Any] | str:
    """Read an export in JSON Lines, or why it is refused."""
    response = prepared(client, f"/v1/exports/{name}", {"format": "jsonl", **query})
    if response.status_code != 200:
        return response.text
    return [json.loads(line) for line in response.text.splitlines()]


def path_of(export: Export[Any], shop: Shop) -> str:
    """The path of a list, about one thing where it is about one."""
    path = export.operation.path
    if "{" not in path:
        return path
    return path.replace("{id:path}", shop.ids[export.name.partition("/")[0]])


LISTS: Final = {name: one for name, one in EXPORTS.items() if name not in REPORTS}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("who", ["personal", "read", "bound"])
def test_json_lines_are_all_pages_of_the_list_as_the_caller_sees_them(
    name: str, who: str, shop: Shop
) -> None:
    export, client = LISTS[name], shop.clients[who]
    path = path_of(export, shop)
    takes = export.operation.reader.query
    days = SPRING if "start" in takes else {}
    asks: list[dict[str, str]] = [days]
    asks += [{**days, "as_of": AS_OF}] if "as_of" in takes else []
    asks += [{**days, "known_at": shop.between}] if "known_at" in takes else []
    told = [exported(client, path.removeprefix("/v1/"), **asked) for asked in asks]
    pages = {"limit": "37"} if export.is_paged else {}
    assert told == [everything(client, path, **pages, **asked) for asked in asks]
    assert who != "personal" or isinstance(told[0], list)
    assert who != "personal" or bool(told[0]) == (name not in EMPTY)


def figures(report: Any, outer: str, inner: str) -> list[Any]:  # noqa: ANN401 -- JSON
    """The rows of a report: a figure each, with all that is said around it."""
    about = {key: value for key, value in report.items() if key not in {outer, "definitions"}}
    return [
        {**about, **{key: value for key, value in one.items() if key != inner}, inner: row}
        for one in report[outer]
        for row in one[inner]
    ]


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_has_a_row_for_each_figure(name: str, shop: Shop) -> None:
    client, asked = shop.clients["personal"], {**SPRING, "as_of": AS_OF}
    report = client.get(f"/v1/{name}", params=asked).json()
    nested = ("cohorts", "retained") if name == "revenue/cohorts" else ("periods", "figures")
    rows = figures(report, *nested)
    assert rows
    assert exported(client, name, **asked) == rows


@pytest.mark.parametrize("name", ["customers", "subscriptions", "revenue/mrr", "anomalies"])
def test_csv_and_parquet_say_the_same(name: str, shop: Shop) -> None:
    client = shop.clients["personal"]
    asked = {"as_of": AS_OF, **(SPRING if name in REPORTS else {})}
    lines = exported(client, name, **asked)
    response = client.get(f"/v1/exports/{name}", params={"format": "csv", **asked})
    assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    reader = csv.reader(io.StringIO(response.content.decode(), newline=""), strict=True)
    head, *rows = list(reader)
    told = [dict(zip(head, row, strict=True)) for row in rows]
    flat = [flattened(line, head) for line in lines]
    assert [{key: one[key].removeprefix("'") for key in one} for one in told] == flat
    data = client.get(f"/v1/exports/{name}", params={"format": "parquet", **asked}).content
    table = parquet.read_table(io.BytesIO(data))
    assert table.num_rows == len(lines)
    assert table.column_names == list(dict.fromkeys(one.partition(".")[0] for one in head))


def flattened(line: Any, head: list[str]) -> dict[str, str]:  # noqa: ANN401 -- JSON
    """Say a row as CSV says it."""
    cells = {}
    for name in head:
        value = line
        for part in name.split("."):
            value = None if value is None else value[part]
        plain = "" if value is None else value
        cells[name] = plain if isinstance(plain, str) else compact(plain)
    return cells


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def test_what_is_withheld_is_withheld_in_every_format_and_the_header_says_so(shop: Shop) -> None:
    reader, all_seen = shop.clients["read"], shop.clients["personal"]
    response = reader.get("/v1/exports/customers", params={"format": "csv"})
    assert response.headers["raphus-withheld"] == "personal"
    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    assert {(row["email"], row["name"], row["metadata"]) for row in rows} == {("", "", "")}
    data = reader.get("/v1/exports/customers", params={"format": "parquet"}).content
    assert parquet.read_table(io.BytesIO(data))["email"].null_count == len(rows)
    assert "@" not in response.text
    seen = all_seen.get("/v1/exports/customers")
    assert "raphus-withheld" not in seen.headers
    assert "@" in seen.text


def test_a_file_is_one_to_keep_under_its_name(shop: Shop) -> None:
    response = shop.clients["personal"].get("/v1/exports/revenue/mrr", params={"format": "csv"})
    name = response.headers["content-disposition"]
    assert name.startswith('attachment; filename="raphus_revenue_mrr_20')
    assert name.endswith('Z.csv"')
    assert response.headers["cache-control"] == "no-store"
    head = shop.clients["personal"].head(SUBSCRIPTIONS)
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("subscriptions?limit=1", 400, "unknown_parameter"),
        ("subscriptions?as_of=2999-01-01T00:00:00Z", 400, "invalid_parameter"),
        ("subscriptions/nobody/timeline", 404, "not_found"),
        ("disputes?as_of=2026-05-01T00:00:00Z&open=true&status=x", 200, None),
        ("healthz", 404, "not_found"),
        ("revenue/mrr?start=1971-01-01", 400, "invalid_parameter"),
        ("revenue/movements?converted=true", 400, "no_rates"),
    ],
)
def test_what_cannot_be_answered_is_refused_as_by_the_list(
    path: str, status: int, code: str | None, shop: Shop
) -> None:
    response = shop.clients["personal"].get(f"/v1/exports/{path}")
    assert response.status_code == status, response.text
    assert code is None or response.json()["error"]["code"] == code


def test_a_key_that_may_not_read_exports_nothing(shop: Shop) -> None:
    key = made(shop.conninfo, "admin", "admin")
    with client_with(key, str(shop.clients["read"].base_url)) as client:
        assert client.get(SUBSCRIPTIONS).status_code == 403
    with httpx.Client(base_url=shop.clients["read"].base_url, trust_env=False) as client:
        assert client.get(SUBSCRIPTIONS).status_code == 401


@contextmanager
def read_side(conninfo: str) -> Iterator[ReadSide]:
    database = Database(conninfo)
    yield ReadSide(database, SnapshotCache(conninfo, database), ProductNames(database), Rules())


FURTHER: Final = 10
"""So many customers another merchant has, of whom half is told meanwhile."""


def one_merchant_and_half_of_another(conninfo: str) -> None:
    further = few_payouts(simulated(FURTHER, seed=2))
    record(conninfo, [*few_payouts(simulated(10, seed=1)), *further[: len(further) // 2]])
    project(conninfo)


@pytest.mark.parametrize("path", ["subscriptions", "customers", "events"])
def test_all_pages_are_of_one_moment_whatever_is_written_meanwhile(
    path: str, copy_of: CopyOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with copy_of(one_merchant_and_half_of_another) as conninfo:
        check_moment(path, conninfo, monkeypatch)


def check_moment(path: str, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.exports.catalogue.PAGE_ROWS", 5)
    further = few_payouts(simulated(FURTHER, seed=2))

    def write() -> None:
        record(database, further[len(further) // 2 :])
        project(database)

    async def walked(meanwhile: Callable[[], None]) -> bytes:
        data = b""
        asked = find(path, b"format=jsonl")
        with read_side(database) as answering:
            async with aclosing(parts(answering, OWNER, asked, None)) as made_parts:
                async for part in made_parts:
                    if not data:
                        await asyncio.to_thread(meanwhile)
                    data += part.data
            await answering.database.close()
        return data

    before = asyncio.run(walked(lambda: None))
    assert before.count(b"\n") > 10
    assert asyncio.run(walked(write)) == before
    assert asyncio.run(walked(lambda: None)) != before


def exporting(conninfo: str) -> int:
    with psycopg.connect(conninfo) as conn:
        ((count,),) = conn.execute(f"{EXPORTING} AND datname = current_database()").fetchall()
    return int(count)


def end_connection(conninfo: str) -> None:
    """End the connection of the export that is under way."""
    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute(EXPORTING.replace("count(*)", "pg_terminate_backend(pid)").encode())


@pytest.fixture(scope="module")
def filled(cluster: str, template: str) -> Iterator[str]:
    """A database with more subscriptions than the buffers of a connection can hold."""
    pairs = {f"key_{number}": "x" * 500 for number in range(50)}
    with copied(cluster, template) as conninfo:
        record(
            conninfo,
            [
                said("subscription.active", number, subscription_id=f"sub_{number}", metadata=pairs)
                for number in range(400)
            ],
        )
        project(conninfo)
        yield conninfo


@pytest.fixture
def large(filled: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Served, str]]:
    """A server of it, which exports in many small pages."""
    monkeypatch.setattr("api.exports.catalogue.PAGE_ROWS", 20)
    with served(filled) as server:
        yield server, filled


@contextmanager
def asking(server: Served, path: str) -> Iterator[socket.socket]:
    """Ask for an export and take no more of it than the head, by a socket of its own."""
    url = urlsplit(server.url)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.settimeout(GUARD_S)
        sock.connect((url.hostname, url.port))
        sock.sendall(f"GET /v1/exports/{path} HTTP/1.1\r\nhost: {url.netloc}\r\n\r\n".encode())
        assert sock.recv(15).startswith(b"HTTP/1.1 200 OK")
        yield sock


def rest_of(sock: socket.socket) -> bytes:
    received = bytearray()
    while data := sock.recv(1 << 20):
        received += data
        if received.endswith(b"\r\n0\r\n\r\n"):
            break
    return bytes(received)


def test_an_export_is_taken_to_its_last_chunk(large: tuple[Served, str]) -> None:
    server, conninfo = large
    with asking(server, "subscriptions") as sock:
        assert rest_of(sock).endswith(b"\r\n0\r\n\r\n")
    until(lambda: exporting(conninfo) == 0)


def test_one_that_fails_on_the_way_has_no_end_that_could_be_taken_for_one(
    large: tuple[Served, str], caplog: pytest.LogCaptureFixture
) -> None:
    server, conninfo = large
    with asking(server, "subscriptions?format=jsonl") as sock:
        end_connection(conninfo)
        received = rest_of(sock)
    assert received
    assert not received.endswith(b"0\r\n\r\n")
    until(lambda: any("an export is broken off" in line for line in caplog.messages))
    assert not any("sub_" in line for line in caplog.messages)
    # A client that knows HTTP tells it as an error.
    with server.client.stream("GET", SUBSCRIPTIONS) as response:
        end_connection(conninfo)
        with pytest.raises(httpx.RemoteProtocolError):
            response.read()


@pytest.fixture
def stuck(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Served, str]]:
    """A server of which an export of subscriptions waits for ever, unless it is ended."""
    endless = {"lock_timeout": "0", "statement_timeout": "0"}
    limits = {**one_moment.EXPORTING.limits, **endless}
    monkeypatch.setattr(one_moment, "EXPORTING", one_moment.EXPORTING._replace(limits=limits))
    with served(database) as server, psycopg.connect(database) as conn:
        conn.execute("LOCK TABLE raphus.subscriptions IN ACCESS EXCLUSIVE MODE")
        yield server, database


def test_whoever_leaves_ends_his_export(stuck: tuple[Served, str]) -> None:
    server, conninfo = stuck
    url = urlsplit(server.url)
    with socket.create_connection((str(url.hostname), url.port or 0)) as sock:
        sock.sendall(f"GET {SUBSCRIPTIONS} HTTP/1.1\r\nhost: {url.netloc}\r\n\r\n".encode())
        until(lambda: exporting(conninfo) == 1)
    until(lambda: exporting(conninfo) == 0)


def test_an_export_ends_after_its_time(
    stuck: tuple[Served, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, conninfo = stuck
    monkeypatch.setattr("api.exports.sending.EXPORT_S", 0.2)
    assert server.refused(SUBSCRIPTIONS) == (503, "too_slow")
    until(lambda: exporting(conninfo) == 0)


def test_however_slowly_it_is_taken(
    large: tuple[Served, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, conninfo = large
    monkeypatch.setattr("api.http.uvicorn_protocol.TAKE_TIMEOUT_S", 2 * GUARD_S)
    monkeypatch.setattr("api.exports.sending.EXPORT_S", 0.5)
    with asking(server, "subscriptions") as sock:
        until(lambda: exporting(conninfo) == 0)
        assert not rest_of(sock).endswith(b"0\r\n\r\n")


def test_whoever_takes_nothing_holds_no_transaction_for_ever(
    large: tuple[Served, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, conninfo = large
    monkeypatch.setattr("api.http.uvicorn_protocol.TAKE_TIMEOUT_S", 0.2)
    with asking(server, "subscriptions"):
        until(lambda: exporting(conninfo) == 0)


def test_there_are_so_many_at_once_and_others_are_told_to_come_again(
    filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.exports.catalogue.PAGE_ROWS", 20)
    monkeypatch.setattr("api.app.EXPORTS_MAX", 2)
    with served(filled) as server:
        check_places(server, filled)


def check_places(server: Served, conninfo: str) -> None:
    with asking(server, "subscriptions"), asking(server, "subscriptions"):
        response = server.client.get(SUBSCRIPTIONS)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "10"
        assert server.client.get("/v1/subscriptions").status_code == 200
        until(lambda: exporting(conninfo) == 2)
    until(lambda: server.client.get("/v1/exports/subscriptions?status=x").status_code == 200)


def test_no_thread_is_left_of_exports_that_have_ended(large: tuple[Served, str]) -> None:
    server, _ = large
    for _ in range(2):
        assert server.client.get(SUBSCRIPTIONS).status_code == 200
        with asking(server, "subscriptions"):
            pass
    until(lambda: not [one for one in threading.enumerate() if one.name == "export"])


def test_without_the_database_it_is_503(database: str) -> None:
    with served(database) as server:
        assert server.client.get(SUBSCRIPTIONS).status_code == 200
        with away(database):
            response = server.client.get(SUBSCRIPTIONS)
            assert response.status_code == 503
            assert AWAY in response.text


@pytest.fixture(scope="module")
def past(cluster: str, template: str) -> Iterator[Past]:
    with told_in_halves(cluster, template, few_payouts(simulated(10, seed=7))) as told:
        yield told


def test_what_was_known_is_prepared_first_and_then_told_whole(past: Past) -> None:
    client = past.server.client
    for name in ("subscriptions", "customers", "anomalies", "refusals"):
        then = everything(client, f"/v1/{name}", known_at=past.between)
        assert exported(client, name, known_at=past.between) == then
    assert exported(client, "subscriptions") != exported(
        client, "subscriptions", known_at=past.between
    )


@pytest.mark.parametrize("is_dropped", [False, True])
def test_what_was_known_and_is_dropped_just_then_is_not_told_as_empty(
    past: Past, *, is_dropped: bool
) -> None:
    assert exported(past.server.client, "subscriptions", known_at=past.between)
    asked = find("subscriptions", f"known_at={quote(past.between)}".encode())

    async def walked() -> None:
        with read_side(past.conninfo) as answering:
            position = await stood_at(answering, datetime.fromisoformat(past.between))
            drop_known(past.conninfo, whole=is_dropped)
            try:
                async for _ in parts(answering, OWNER, asked, position):
                    pass
            finally:
                await answering.database.close()

    with pytest.raises(ApiError, match="being prepared"):
        asyncio.run(walked())
    # The server still thinks that they stand, and builds them anew.
    assert exported(past.server.client, "subscriptions", known_at=past.between)


def drop_known(conninfo: str, *, whole: bool) -> None:
    """Forget what was built of the past; `whole`, with its tables."""
    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute("DELETE FROM raphus.snapshots")
        if whole:
            schemas = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'raphus_known_%'"
            ((schema,),) = conn.execute(schemas).fetchall()
            conn.execute(f"DROP SCHEMA {schema} CASCADE".encode())
