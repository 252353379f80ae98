"""The documents that are made from the code: OpenAPI, and the page of state machines."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from api.answers.named import NamedSubscription
from api.http.operations import Operation
from api.routes import OPERATIONS
from cli.commands.docs import section, state_machines
from domain.aggregates.catalogue import KINDS
from tests.support.openapi_document import DOCUMENT

PAGE = Path(__file__).resolve().parents[3] / "docs" / "state-machines.md"


def test_every_operation_is_described_once() -> None:
    described = [
        operation["operationId"]
        for path in DOCUMENT["paths"].values()
        for operation in path.values()
    ]
    assert len(described) == len(set(described)) == len(OPERATIONS) + 1


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_what_stands_in_a_path_is_declared(operation: Operation[Any, Any, Any]) -> None:
    parts = set(re.findall(r"{(\w+)(?::path)?}", operation.path))
    assert operation.reader.path.keys() == parts
    assert not parts & operation.reader.query.keys()


def test_only_what_is_harmless_can_be_asked_without_the_key() -> None:
    public = {operation.path for operation in OPERATIONS if not operation.secured}
    assert public == {"/healthz", "/readyz", "/openapi.json"}


def test_what_changes_something_is_posted_or_deleted() -> None:
    changing = {
        (method, path): described
        for path, methods in DOCUMENT["paths"].items()
        for method, described in methods.items()
        if method != "get" and path != "/webhooks/dodo"
    }
    assert changing.keys() == {
        ("post", "/v1/routes/retry"),
        ("post", "/v1/routes/replay"),
        ("delete", "/v1/customers/{id}/personal-data"),
        ("post", "/v1/upkeep"),
        ("delete", "/v1/upkeep/{id}"),
    }
    for operation in changing.values():
        assert operation["security"] == [{"key": ["admin"]}]
        assert {"400", "401", "403", "503"} < operation["responses"].keys()
        assert "requestBody" not in operation


def test_each_operation_tells_the_scope_that_it_needs() -> None:
    told = {
        described["operationId"]: described
        for path in DOCUMENT["paths"].values()
        for described in path.values()
    }
    scheme = DOCUMENT["components"]["securitySchemes"]["key"]["description"]
    for operation in OPERATIONS:
        needed = [{"key": [operation.scope]}] if operation.secured else []
        assert told[operation.name]["security"] == needed
        assert f"`{operation.scope}`" in scheme
    assert "bound" in told["metrics"]["description"]
    assert "bound" not in told["list_payments"]["description"]


def test_what_may_be_withheld_may_be_null_and_says_so() -> None:
    body = DOCUMENT["components"]["schemas"]["WholeEvent"]["properties"]["body"]
    assert body["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert "`personal`" in body["description"]
    lag = DOCUMENT["components"]["schemas"]["Ready"]["properties"]["lag_s"]
    assert "`instance`" in lag["description"]


def test_an_object_is_described_field_by_field() -> None:
    described = DOCUMENT["components"]["schemas"]["NamedSubscription"]
    assert list(described["properties"]) == list(NamedSubscription.__struct_fields__)
    assert "\n    " not in described["description"]


def test_times_are_described_as_times() -> None:
    hints = get_type_hints(NamedSubscription)
    times = {name for name, hint in hints.items() if hint is datetime or datetime in get_args(hint)}
    assert {"occurred_at", "created_at", "cancelled_at"} <= times
    described = DOCUMENT["components"]["schemas"]["NamedSubscription"]["properties"]
    for name in times:
        options = described[name].get("anyOf", [described[name]])
        assert {"type": "string", "format": "date-time"} in options


def test_the_page_has_a_section_a_machine() -> None:
    page = state_machines()
    for kind in KINDS.values():
        assert section(kind.machine) in page


def test_a_section_has_the_picture_the_table_and_the_meanings() -> None:
    drawn = section(KINDS["subscription"].machine)
    assert "    on_hold --> active: active, renewed, unpaused\n" in drawn
    assert "    [*] --> on_hold: on_hold?\n" in drawn
    assert "    expired --> [*]\n" in drawn
    assert "\n| **on_hold** | = | = | = | active | active | ✗ | = | paused | active | ✗ |" in drawn
    assert "| `subscription.renewed` | A period was charged, the first one too. |" in drawn
    assert "Observed only, and only before any state is known: `pending`." in drawn


def test_a_state_that_no_event_reaches_is_drawn_too() -> None:
    assert "\n    disabled\n" in section(KINDS["license_key"].machine)


def test_the_page_in_the_repository_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == state_machines(), "run: raphus docs"
