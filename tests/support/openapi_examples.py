"""The examples of /openapi.json: a fixed merchant's log, and what a real server answers of it.

`python -m tests.support.openapi_examples` writes them anew.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from api.keys import table
from api.openapi_examples import PATH
from api.queries.persons import WAYS
from api.queries.read_side import Rules
from api.routes import OPERATIONS
from domain.identities import EXTERNAL_ID_KEYS
from domain.look import Look
from ledger.application import Ledger
from ledger.integrity.verify import Head, Verified
from migrations.runner import migrate
from postgres.connections import WORKING, connect
from postgres.embedded import EmbeddedPostgres
from projections.read_models.catalogue import LISTINGS
from projections.rebuild.rebuild import Rebuilt
from projections.rebuild.table_diff import Difference, Found
from projections.upkeep import jobs
from projections.upkeep.findings import of_log, of_tables
from reconciliation.account import Account
from reconciliation.finding import Finding, Outcome
from reconciliation.runs import Run
from tests.support.histories import said
from tests.support.http_server import served
from tests.support.projected import UNTIL, project, record, simulated
from tests.support.waiting import until
from tests.support.windmill import outbox, starting_jobs, write_routes
from tests.support.windmill_stand_in import StandIn
from workflows.routes.routes_file import RoutesFile

if TYPE_CHECKING:
    from api.http.operations import Operation
    from domain.delivery import Delivery
    from tests.support.http_server import Served

Json: TypeAlias = "dict[str, Any]"  # a JSON document has no narrower type
NOON: Final = "2026-05-01T12:00:00Z"
"""Stands for every time that a clock told while the examples were made."""
MEASURED: Final = {
    "lag_s": 0.0,
    "late_s": 3_600,
    "took_ms": 12,
    "previous_hash": f"{'3b8e5f0a':0<64}",
    "hash": f"{'9c41d27e':0<64}",
    "postgres": "17.2",
    "migrations": 25,
    "database_bytes": 13_631_488,
    "bytes": 65_536,
    "rows_about": 40,
}
"""What a clock has measured, or covers what one has, each with what stands for it."""
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
OUR_ID: Final = re.compile("(raphus_(?:erasure|look)_)[0-9a-f]{32}")
SPRING: Final = {"start": "2026-03-01", "end": "2026-04-30"}
YEAR: Final = {"start": "2025-05-01", "end": "2026-04-30"}
"""Ranges of days in which much is earned."""
ROUTES: Final = """
[[route]]
name = "refunds"
on = ["refund.*"]
script = "f/raphus/refunds"
transformation = "python:own.py:refuse"
"""
OWN: Final = "def refuse(event):\n    raise ValueError('the books are closed')\n"


def examples(conninfo: str, folder: Path) -> Json:
    """Ask every operation of a server on a migrated, empty database.

    Returns, by the operation's name, what it was `asked` with and the `answer`.
    """
    began_at = datetime.now(UTC)
    routes = write_routes(folder, name="disputes", on="dispute.opened", more=ROUTES)
    (folder / "own.py").write_text(OWN, "utf-8")
    *deliveries, last = simulated(4, seed=368)
    for minute, word in enumerate(("expired", "on_hold"), start=-1_500):  # of which one is refused
        at_end = said(f"subscription.{word}", minute, f"msg_{word}", subscription_id="sub_1")
        deliveries.append(at_end)
    with StandIn() as windmill, starting_jobs(conninfo, routes, windmill):
        record(conninfo, deliveries)
        with Ledger(conninfo) as ledger:
            ledger.observe([_product()])
        _reconciled(conninfo)
        _kept_up(conninfo)
        project(conninfo)
        until(lambda: {state for (state,) in outbox(conninfo, "state")} == {"succeeded", "parked"})
    with served(conninfo, rules=Rules(RoutesFile(routes, required=True))) as server:
        position = server.deliver(last.body, last.webhook_id)
        server.get("/v1/refusals", min_position=position)
        server.get("/v1/payments", known_at=datetime.now(UTC).isoformat())
        found = {"receive_webhook": _delivered(last, position)}
        asked = _Asked(server)
        for operation in sorted(OPERATIONS, key=_what_changes_last):
            found[operation.name] = _example(server, operation, asked.of(operation))
    cleaned: Json = _without_clocks(found, began_at)
    return cleaned


def _product() -> Look:
    """Make a look at a product, of which no webhook tells."""
    price = {
        "type": "recurring_price",
        "price": 1900,
        "currency": "USD",
        "discount_bps": 0,
        "tax_inclusive": False,
        "purchasing_power_parity": False,
        "payment_frequency_count": 1,
        "payment_frequency_interval": "Month",
        "subscription_period_count": 20,
        "subscription_period_interval": "Year",
        "trial_period_days": 0,
    }
    data = {
        "product_id": "pdt_pro",
        "name": "Pro",
        "description": "For teams.",
        "is_recurring": True,
        "price": 1900,
        "currency": "USD",
        "price_detail": price,
        "tax_category": "saas",
        "tax_inclusive": False,
        "created_at": "2026-01-02T09:00:00Z",
        "updated_at": "2026-03-01T09:00:00Z",
        "metadata": {},
    }
    return Look(
        kind="product",
        business_id="bus_demo",
        at=UNTIL,
        endpoint="GET /products",
        data=msgspec.json.encode(data),
        asked={"archived": False},
    )


def _reconciled(conninfo: str) -> None:
    """Keep a reconciliation that has found a lost webhook."""
    lost = Finding(
        kind="refund",
        id="ref_7a1c9e",
        customer_id="cus_7a1c9e",
        outcome=Outcome.LOST,
        status_here="failed",
        status_at_dodo="succeeded",
        types=("refund.succeeded",),
        since=UNTIL,
        may_still_come=False,
        amount=1900,
        currency="USD",
        fields=("network_reference",),
        looked_at=UNTIL,
    )
    with connect(conninfo, WORKING, "raphus-reconcile") as conn:
        run = Run(conn, Account("bus_demo", "test_mode"), 30)
        run.found(Counter(agreed=412, lost=1), [lost])
        run.end(["the webhook endpoint at example.com is disabled at Dodo: enable it"])


def _kept_up(conninfo: str) -> None:
    """Keep what was found by a check, and on the command line by a verification; make a key."""
    none = Found(0, [])
    differs = Difference("payments", 412, none, none, Found(1, ["bus_demo/payment/pay_7a1c9e"]))
    check = Rebuilt(412, [differs, Difference("refunds", 9, none, none, none)])
    with connect(conninfo, WORKING, "raphus-upkeep") as conn:
        id_ = jobs.begin(conn, "rebuild_check", "ada")
        assert id_ is not None
        jobs.end(conn, id_, of_tables(check, check=True))
        whole = Verified(Head(412, bytes.fromhex("6f1d2c3b" * 8)), 412, None)
        jobs.keep(conn, "verify", datetime.now(UTC), of_log(whole))
        key = table.create("raphus_7a1c9e5d2b", "shop", ["access"], "bus_demo")
        conn.execute(key.sql.encode(), key.params)


def written(found: Json) -> str:
    """Return the examples as they stand in their file."""
    return msgspec.json.format(msgspec.json.encode(found), indent=1).decode() + "\n"


class _Asked:
    """What operations are asked with: about a customer with access, and what is his."""

    def __init__(self, server: Served) -> None:
        as_of = UNTIL.isoformat().replace("+00:00", "Z")
        active = server.get("/v1/subscriptions", active="true", as_of=as_of)["items"]
        customer_id = active[0]["customer_id"]
        self._ids = {"customers": customer_id}
        for resource, listing in LISTINGS.items():
            path = f"/v1/{resource}"
            names = {filter_.name for filter_ in listing.filters}
            his = {"customer_id": customer_id} if "customer_id" in names else {}
            items = server.get(path, **his)["items"] or server.get(path)["items"]
            self._ids[resource] = items[0][listing.id_field]
        timeline = server.get(f"/v1/customers/{customer_id}/timeline", limit=1)["items"]
        self._ids["events"] = timeline[0]["webhook_id"]
        every = server.get("/v1/subscriptions")["items"]
        pairs = {key: value for one in every for key, value in one["metadata"].items()}
        self._by_name = {
            "external_id": next(pairs[key] for key in EXTERNAL_ID_KEYS if key in pairs),
            "as_of": as_of,
            "limit": 1,
            "field": "status",
        }
        person = {"customer_id": customer_id}
        self._more: Json = {
            "get_access": {**person, "product_id": active[0]["product_id"]},
            "list_persons": person,
            "list_erasures": person,
            "retry_jobs": {"route": "refunds"},
            "begin_upkeep": {"kind": "verify"},
            "cancel_upkeep": {"id": "1"},
            "replay_jobs": {"route": "disputes", "dry_run": True},
            "get_mrr": SPRING,
            "list_revenue_movements": YEAR,
            "get_cohorts": SPRING,
            "get_trials": YEAR,
            "list_trials": YEAR,
            "get_net_revenue": SPRING,
            "list_takings": SPRING,
            "export": {"list": "disputes", "format": "csv"},
            "erase_personal_data": {
                "reason": "asked for by letter",
                "requested_by": "the customer",
            },
        }

    def of(self, operation: Operation[Any, Any, Any]) -> Json:
        """Return what one operation is asked with, by name."""
        reader, resource = operation.reader, operation.path.split("/")[2:3]
        taken = [*reader.path, *(name for name in reader.query if name not in WAYS)]
        asked = {name: self._by_name[name] for name in taken if name in self._by_name}
        if "id" in reader.path and resource[0] in self._ids:
            asked["id"] = self._ids[resource[0]]
        return {**asked, **self._more.get(operation.name, {})}


def _what_changes_last(operation: Operation[Any, Any, Any]) -> tuple[bool, bool]:
    """Sort so that only the list of erasures comes after the erasure."""
    return operation.name == "list_erasures", operation.method != "GET"


def _delivered(delivery: Delivery, position: str) -> Json:
    headers = {
        "webhook-id": delivery.webhook_id,
        "webhook-timestamp": delivery.webhook_timestamp,
        "webhook-signature": delivery.webhook_signature,
    }
    return {
        "asked": headers,
        "body": msgspec.json.decode(delivery.body),
        "answer": {"position": position, "duplicate": False},
    }


def _example(server: Served, operation: Operation[Any, Any, Any], asked: Json) -> Json:
    path = operation.path.replace(":path", "").format(**asked)
    query = {name: value for name, value in asked.items() if name in operation.reader.query}
    response = server.client.request(operation.method, path, params=query)
    assert response.status_code == 200, f"{operation.name}: {response.text}"
    answer: Any = response.text
    if response.headers["content-type"] == "application/json":
        answer = response.json()
    elif operation.name != "export":
        answer = "".join(re.findall(r"(?m)^.*raphus_log_position.*\n", answer))
    if operation.name == "openapi":
        answer = {**answer, "paths": {}, "components": {}}
    return {"asked": asked, "answer": answer}


def _without_clocks(value: Any, began_at: datetime, name: str = "") -> Any:  # noqa: ANN401 -- JSON
    """Replace what differs from one making to the next: what clocks told, and what was drawn."""
    if isinstance(value, dict):
        return {key: _without_clocks(item, began_at, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_clocks(item, began_at, name) for item in value]
    if name in MEASURED and value is not None:
        return MEASURED[name]
    if isinstance(value, str) and (ours := OUR_ID.fullmatch(value)):
        return f"{ours[1]}6f1d2c3b4a5968778695a4b3c2d1e0f1"
    if isinstance(value, str) and TIME.fullmatch(value):
        return NOON if datetime.fromisoformat(value) >= began_at else value
    return value


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory() as home, EmbeddedPostgres(Path(home) / "home") as server:
        migrate(server.url)
        PATH.write_text(written(examples(server.url, Path(home))), "utf-8")
    print(f"{PATH} is written")


if __name__ == "__main__":
    main()
