"""What can be typed behind a command that asks is what a query over HTTP may say."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from api.http.cursors import Cursor
from api.http.parameters import Texts
from api.http.questions import Query
from api.http.reader import Reader
from api.resources.customers_list import LIST_CUSTOMERS
from api.resources.lifecycle import GET_CUSTOMER_LIFECYCLE
from api.resources.objects import OBJECTS
from api.resources.timelines import LIST_REFUSALS
from api.resources.workflows import ATTEMPTS_CURSOR, JOBS_CURSOR, REPLAY
from api.resources.workflows import OPERATIONS as WINDMILL
from cli.arguments import add_taken, given
from cli.parser import parser as made_anew
from projections.read_models import timeline
from projections.read_models.catalogue import LISTINGS
from tests.support.histories import NOON
from workflows.outbox.queries import Last

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.http.operations import Operation
    from api.http.reader import Field
    from api.queries.read_side import ReadSide

JOB_ID = "123e4567-e89b-12d3-a456-426614174000"
COMMANDS = {"list": "list", "show": "get", "timeline": "timeline", "explain": "explain"}


parser = cache(made_anew)


def questions() -> Iterator[tuple[list[str], Operation[ReadSide, Any, Any]]]:
    """Every command that asks, with the operation that it asks by."""
    for resource, objects in OBJECTS.items():
        for kind in (resource, LISTINGS[resource].kind):
            for command, part in COMMANDS.items():
                yield [command, kind], getattr(objects, part)
    yield ["list", "customers"], LIST_CUSTOMERS
    yield ["refusals"], LIST_REFUSALS
    # To replay is told by switches, which take no value behind a command.
    for operation in (one for one in WINDMILL if one is not REPLAY):
        name = operation.path.removeprefix("/v1/routes").lstrip("/") or "list"
        yield ["routes", name], operation


def value_of(declared: Field) -> str:
    """A value that the parameter takes."""
    if declared.name == "cursor":
        return a_cursor(declared)
    schema = declared.schema
    if "enum" in schema:
        assert isinstance(schema["enum"], list)
        return str(schema["enum"][-1])
    if "format" in schema:
        return {"date-time": "2026-05-01T00:00:00Z", "uuid": JOB_ID}[str(schema["format"])]
    if declared.is_mapping:
        return "some-text"
    by_type = {"boolean": "true", "integer": "7", "string": f"some-{declared.name}"}
    return by_type[str(schema["type"])]


def a_cursor(declared: Field) -> str:
    place = timeline.TimelineKey(NOON, 1, "msg_1", 1)
    made = [Cursor(resource, int).write(5) for resource in (*OBJECTS, "refusals", "customers")]
    kinds = [LISTINGS[resource].kind for resource in OBJECTS]
    made += [Cursor(f"{kind} timeline", timeline.TimelineKey).write(place) for kind in kinds]
    made += [JOBS_CURSOR.write(5), ATTEMPTS_CURSOR.write(Last(NOON, JOB_ID, 1))]
    return next(cursor for cursor in made if is_taken(declared, cursor))


def is_taken(declared: Field, value: str) -> bool:
    try:
        declared.lex(value)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("command", "operation"),
    [pytest.param(*one, id=" ".join(one[0])) for one in questions()],
)
def test_a_command_takes_what_its_operation_takes_over_http(
    command: list[str], operation: Operation[ReadSide, Any, Any]
) -> None:
    reader = operation.reader
    path = dict.fromkeys(reader.path, "id/1")
    asked = [field for field in reader.query.values() if field.name != "min_position"]
    query = {field.spelled.replace("[key]", "[some]"): value_of(field) for field in asked}
    options = [
        word
        for field, value in zip(asked, query.values(), strict=True)
        for word in (
            f"--{field.name.replace('_', '-')}",
            f"some={value}" if field.is_mapping else value,
        )
    ]
    args = parser().parse_args([*command, *path.values(), *options])
    assert args.operation is operation
    typed = given(args, reader)
    assert typed == reader.read(path, urlencode(query).encode())
    for field in (*reader.path.values(), *asked):
        assert getattr(typed, field.name) != field.default


def test_a_customer_is_asked_for_whole() -> None:
    args = parser().parse_args(["customer", "cus_1", "--as-of", "2026-05-01T00:00:00Z"])
    assert args.json is False
    assert [name for name in ("limit", "cursor", "min_position") if hasattr(args, name)] == []
    asked = given(args, GET_CUSTOMER_LIFECYCLE.reader)
    assert (asked.id, asked.as_of) == ("cus_1", datetime(2026, 5, 1, tzinfo=UTC))


class ByMetadata(Query, frozen=True, kw_only=True):
    """Asks by texts that have keys."""

    metadata: Texts | None = None


def test_texts_by_key_are_given_one_option_each(capsys: pytest.CaptureFixture[str]) -> None:
    command, reader = ArgumentParser(), Reader(ByMetadata)
    add_taken(command, reader)
    args = command.parse_args(["--metadata", "user_id=42", "--metadata", "plan=a=b"])
    assert given(args, reader).metadata == {"user_id": "42", "plan": "a=b"}
    assert given(command.parse_args([]), reader).metadata is None
    assert "--metadata KEY=VALUE" in command.format_help()
    for wrong, told in (("user_id", "must be KEY=VALUE"), ("user_id=", "must have keys")):
        with pytest.raises(SystemExit):
            command.parse_args(["--metadata", wrong])
        assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "list",
        "list subscriptions --min-position 1",
        "list subscriptions --open true",
        "list disputes --active true",
        "list payments --limit 101",
        "list payments --cursor abc",
        "list payments --metadata abc",
        "list disputes --metadata a=1",
        "show subscription",
        "show plans x",
        "show payment pay_1 --as-of 2099-01-01T00:00:00Z",
        "timeline payment pay_1 --known-at yesterday",
        "explain payment pay_1 --field colour",
        "customer",
        "customer cus_1 --limit 5",
        "audit",
        "refusals --status x",
        "routes",
        "routes list --route x",
        "routes outbox --state lost",
        "routes attempts --job-id 1",
        "routes retry --state parked",
        "routes replay",
        "routes replay --route x --since yesterday",
        "routes replay --route x --type refund.?",
        "routes test x",
        "routes test --event dispute.opened",
    ],
)
def test_what_cannot_be_asked_is_wrong_usage(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parser().parse_args(line.split())
    assert exit_.value.code == 2
    assert "usage: raphus" in capsys.readouterr().err
