"""The OpenAPI document as tools read it: valid, with examples, and nothing told twice."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs
import msgspec
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

from api.openapi import document
from api.openapi_examples import PATH
from api.routes import OPERATIONS
from tests.support.openapi_document import DOCUMENT
from tests.support.openapi_references import operations
from tests.support.samples import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPONENTS: Final = DOCUMENT["components"]
DESCRIBED: Final = {
    operation["operationId"]: operation
    for path in DOCUMENT["paths"].values()
    for operation in path.values()
}
WHOLE: Final = {operation["operationId"]: operation for _, _, operation in operations(DOCUMENT)}


def references(value: object) -> Iterator[str]:
    """Every reference in a part of the document, but for those in examples."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for key, item in value.items():
            if key != "example":
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def is_valid(value: object, schema: dict[str, Any]) -> bool:
    """Tell whether a value is as a schema of the document says."""
    whole = {**schema, "components": COMPONENTS}
    return jsonschema_rs.validator_for(whole, validate_formats=True).is_valid(value)


def test_it_is_valid_openapi() -> None:
    validator = jsonschema_rs.validator_for(OPENAPI_31)
    assert [error.message for error in validator.iter_errors(DOCUMENT)] == []
    assert not validator.is_valid({**DOCUMENT, "servers": [{}]})


def test_it_names_the_server_that_it_came_from_and_the_projects_licence() -> None:
    assert [server["url"] for server in DOCUMENT["servers"]] == ["/"]
    licence = DOCUMENT["info"]["license"]["identifier"]
    assert f'license = "{licence}"' in (PROJECT / "pyproject.toml").read_text("utf-8")


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    used = set(references(DOCUMENT))
    there = {
        f"#/components/{section}/{name}"
        for section in ("schemas", "parameters", "responses")
        for name in COMPONENTS[section]
    }
    assert used == there


def test_nothing_is_told_twice_by_operations() -> None:
    told = Counter(
        json.dumps(part, sort_keys=True)
        for operation in DESCRIBED.values()
        for part in (*operation["parameters"], *without_answer(operation))
        if "$ref" not in part
    )
    assert [part for part, times in told.items() if times > 1] == []


def without_answer(operation: dict[str, Any]) -> list[dict[str, Any]]:
    return [told for status, told in operation["responses"].items() if status != "200"]


def test_what_is_shared_has_its_plain_name() -> None:
    assert {"limit", "cursor", "as_of", "known_at", "min_position"} <= COMPONENTS[
        "parameters"
    ].keys()
    assert {"BadRequest", "Unauthorized", "Forbidden", "ServiceUnavailable"} <= COMPONENTS[
        "responses"
    ].keys()
    for section in ("parameters", "responses"):
        assert all(re.fullmatch("[a-zA-Z_.]+", name) for name in COMPONENTS[section])


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_sharing_changes_nothing_of_what_an_operation_takes_and_how_it_fails(
    operation: Any,  # noqa: ANN401
) -> None:
    described = WHOLE[operation.name]
    taken = described["parameters"]
    assert [one["name"] for one in taken] == [*operation.reader.path, *operation.reader.query]
    (alone,) = document([operation])["paths"][re.sub(":path}", "}", operation.path)].values()
    assert taken == alone["parameters"]
    assert described["responses"].keys() == alone["responses"].keys()


@pytest.mark.parametrize("name", DESCRIBED)
def test_an_operation_has_an_example_that_is_as_it_says(name: str) -> None:
    operation = WHOLE[name]
    for parameter in operation["parameters"]:
        assert not parameter["required"] or "example" in parameter
        if "example" in parameter:
            assert is_valid(parameter["example"], parameter["schema"]), parameter["name"]
    content, *_ = operation["responses"]["200"]["content"].values()  # what it is by default
    assert is_valid(content["example"], content["schema"])


def test_an_example_that_is_not_as_its_schema_says_is_found() -> None:
    content = DESCRIBED["get_access"]["responses"]["200"]["content"]["application/json"]
    assert is_valid(content["example"], content["schema"])
    assert not is_valid({**content["example"], "at": "yesterday"}, content["schema"])
    assert not is_valid({**content["example"], "access": None}, content["schema"])


def test_the_examples_are_of_operations_that_there_are_and_show_something() -> None:
    examples = msgspec.json.decode(PATH.read_bytes())
    assert examples.keys() == DESCRIBED.keys()
    for name, example in examples.items():
        answer = example["answer"]
        assert "items" not in answer or answer["items"], name
