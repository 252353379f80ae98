"""Benchmark: every page of the console, of 100,000 simulated subscriptions."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

import psycopg

from console.catalogue import PAGES
from console.rendering.words import path_of
from projections.read_models.catalogue import LISTINGS
from tests.benchmarks.load import drive
from tests.benchmarks.measure import Result, processor_s
from tests.benchmarks.parts import port_of
from tests.benchmarks.subscriptions import SUBSCRIPTIONS, tell
from tests.support.program import serving

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.program import Program

TARGET_S: Final = 0.05
_THINGS: Final = 40
"""So many addresses of a page are asked for, each twice, and measured at the second time."""
_REPORTS: Final = 5
_NONE: Final = frozenset(
    {"/routes/retry", "/products/{id:path}", "/products/{id:path}/explain/{field}"}
)
"""Pages that are of no use without parked jobs, or of what no webhook tells of."""
THEN: Final = "2026-11-01T00:00:00Z"
"""Before the last weeks of what is told: the past, of which pages are asked."""
_BACKENDS: Final = "SELECT pid FROM pg_stat_activity WHERE application_name = 'raphus-reads'"
_MORE: Final = (
    "/subscriptions?status=active",
    "/payments?status=failed",
    "/customers?email=nobody@example.com",
    "/search?q=nothing_of_that_name",
    "/anomalies?code=overdue",
    "/events?type=payment.failed",
    "/revenue/mrr?by=product",
)
"""What is looked at beside each page as it is first."""
_SELDOM: Final = re.compile("/revenue|/today/mrr")
"""The reports, which read all there is: of these, few are asked for."""
_GROUPS: Final[Mapping[str, re.Pattern[str]]] = {
    "reports of revenue": _SELDOM,
    "the past": re.compile(".*as of then"),
    "one thing": re.compile(r".*\{"),
    "lists and all else": re.compile(""),
}


class Taken(NamedTuple):
    """What a page took: by the clock, and the processor time of the server and of PostgreSQL."""

    page: str
    p50_s: float
    p90_s: float
    server_s: float
    postgres_s: float

    @property
    def processor_s(self) -> float:
        """What it takes on a machine that does nothing else; PostgreSQL's helpers not counted."""
        return self.server_s + self.postgres_s

    def __str__(self) -> str:
        """Tell it in milliseconds."""
        p50, p90, server, postgres = (f"{1e3 * one:.1f}" for one in self[1:])
        told = f"p50 {p50} ms, p90 {p90} ms; processor time: server {server}, PostgreSQL {postgres}"
        return f"{self.page}: {told}"


def of_many_subscriptions(conninfo: str) -> list[Result]:
    """Measure each page, one request at a time; of each group, the dearest is told."""
    took_s = tell(conninfo)
    print(f"{SUBSCRIPTIONS:,} subscriptions in {took_s:,.0f} s")
    with (
        tempfile.TemporaryDirectory() as home,
        psycopg.connect(conninfo, autocommit=True) as conn,
        serving(Path(home), DATABASE_URL=conninfo) as server,
    ):
        cookie = signed_in(server)
        taken = [
            measured(server, conn, page, [request(one, cookie) for one in addresses])
            for page, addresses in _addresses_of(conn).items()
        ]
    groups = {group: [one for one in taken if _group(one.page) == group] for group in _GROUPS}
    return [_result(group, own) for group, own in groups.items()]


def _addresses_of(conn: psycopg.Connection) -> Mapping[str, list[str]]:
    """Return the addresses that are asked for of every page, now and in the past."""
    ids = {resource: _ids(conn, resource) for resource in (*LISTINGS, "customers", "events")}
    found: dict[str, list[str]] = {}
    for page in PAGES:
        if page.scope == "personal" or page.path in _NONE:
            continue
        name = page.path.replace(":path", "")
        found[name] = plain = _addresses(name, ids)
        found[f"{name}, as of then"] = [f"{one}?as_of={THEN}" for one in plain]
    found["/customers/{with most}"] = [path_of("customer", _busiest(conn))] * _THINGS
    found |= {address: [address] * _times(address) for address in _MORE}
    return found


def _addresses(name: str, ids: Mapping[str, Sequence[str]]) -> list[str]:
    resource, _, rest = name[1:].partition("/")
    if "{" not in name:
        return [name] * _times(name)
    return [
        f"/{resource}/" + rest.format(id=quote(id_, safe=""), field="business_id")
        for id_ in ids[resource]
    ]


def _times(address: str) -> int:
    return _REPORTS if _SELDOM.match(address) else _THINGS


def _ids(conn: psycopg.Connection, resource: str) -> list[str]:
    """Choose things of a kind that were there then, from all over its table."""
    named_in = {"events": ("webhook_id", "timeline"), "customers": ("customer_id", "payments")}
    column, table = named_in.get(resource) or (LISTINGS[resource].id_field, resource)
    choose = (
        f"SELECT {column} FROM raphus.{table} WHERE occurred_at < '{THEN}'"
        f" GROUP BY 1 ORDER BY md5({column}) LIMIT {_THINGS}"
    )
    return [id_ for (id_,) in conn.execute(choose.encode()).fetchall() if id_]


def _busiest(conn: psycopg.Connection) -> str:
    row = conn.execute(
        "SELECT customer_id FROM raphus.payments WHERE customer_id IS NOT NULL"
        " GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
    ).fetchone()
    assert row is not None
    return str(row[0])


def signed_in(server: Program) -> str:
    """Return the cookie of a session, by which a browser's requests are known."""
    with server.client() as client:
        answer = client.post("/sign-in", data={"key": server.key, "to": "/"})
    return answer.headers["set-cookie"].partition(";")[0]


def request(address: str, cookie: str) -> bytes:
    """Write the request of a browser."""
    return f"GET {address} HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: {cookie}\r\n\r\n".encode()


def measured(server: Program, conn: psycopg.Connection, page: str, requests: list[bytes]) -> Taken:
    """Ask for each address once, and then measure."""
    port = port_of(server)
    drive(port, requests, 1)
    before = _processor_s(server, conn)
    driven = drive(port, requests, 1)
    server_s, postgres_s = (
        (now - then) / len(requests)
        for now, then in zip(_processor_s(server, conn), before, strict=True)
    )
    taken = Taken(page, driven.percentile_s(50), driven.percentile_s(90), server_s, postgres_s)
    print(taken, flush=True)
    return taken


def _processor_s(server: Program, conn: psycopg.Connection) -> tuple[float, float]:
    backends = conn.execute(_BACKENDS).fetchall()
    return processor_s(server.pid), sum(processor_s(pid) for (pid,) in backends)


def _result(group: str, taken: Sequence[Taken]) -> Result:
    dearest = max(taken, key=lambda one: one.processor_s)
    what = f"console, {group}: processor time of the dearest page ÷ {1e3 * TARGET_S:.0f} ms"
    return Result(what, dearest.processor_s / TARGET_S, 1, True, str(dearest))


def _group(page: str) -> str:
    return next(group for group, pattern in _GROUPS.items() if pattern.match(page))
