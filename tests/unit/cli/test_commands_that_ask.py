"""What can be typed behind a command that asks is what a query over HTTP may say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from api.http.cursors import Cursor
from api.http.operations import MIN_POSITION
from api.resources.customers_list import LIST_CUSTOMERS
from api.resources.lifecycle import GET_CUSTOMER_LIFECYCLE
from api.resources.objects import OBJECTS
from api.resources.timelines import LIST_REFUSALS
from api.resources.workflows import ATTEMPTS_CURSOR, JOBS_CURSOR
from api.resources.workflows import OPERATIONS as WINDMILL
from cli.arguments import arguments_of
from cli.parser import parser
from projections.read_models import timeline
from projections.read_models.catalogue import LISTINGS
from tests.support.histories import NOON
from workflows.outbox.queries import Last

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.http.operations import Operation
    from api.http.parameters import Parameter
    from api.queries.read_side import ReadSide

JOB_ID = "123e4567-e89b-12d3-a456-426614174000"
COMMANDS = {"list": "list", "show": "get", "timeline": "timeline", "explain": "explain"}


def questions() -> Iterator[tuple[list[str], Operation[ReadSide, Any]]]:
    """Every command that asks, with the operation that it asks by."""
    for resource, objects in OBJECTS.items():
        for kind in (resource, LISTINGS[resource].kind):
            for command, part in COMMANDS.items():
                yield [command, kind], getattr(objects, part)
    yield ["list", "customers"], LIST_CUSTOMERS
    yield ["refusals"], LIST_REFUSALS
    for operation in WINDMILL:
        yield ["windmill", operation.path.rpartition("/")[2]], operation


def value_of(declared: Parameter[Any]) -> str:
    """A value that the parameter takes."""
    if declared.name == "cursor":
        return a_cursor(declared)
    schema = declared.schema
    if "enum" in schema:
        assert isinstance(schema["enum"], list)
        return str(schema["enum"][-1])
    if "format" in schema:
        return {"date-time": "2026-05-01T00:00:00Z", "uuid": JOB_ID}[str(schema["format"])]
    if schema["type"] == "object":
        return f"key=some-{declared.name}"
    by_type = {"boolean": "true", "integer": "7", "string": f"some-{declared.name}"}
    return by_type[str(schema["type"])]


def as_sent(operation: Operation[ReadSide, Any], query: dict[str, str]) -> dict[str, str]:
    """The same as a query over HTTP says it, where pairs have their keys in brackets."""
    pairs = {one.name for one in operation.takes.query if one.schema.get("type") == "object"}
    parts = {name: value.partition("=") for name, value in query.items()}
    return {
        (f"{name}[{parts[name][0]}]" if name in pairs else name): (
            parts[name][2] if name in pairs else value
        )
        for name, value in query.items()
    }


def a_cursor(declared: Parameter[Any]) -> str:
    place = timeline.TimelineKey(NOON, 1, "msg_1", 1)
    made = [Cursor(resource, int).write(5) for resource in (*OBJECTS, "refusals", "customers")]
    kinds = [LISTINGS[resource].kind for resource in OBJECTS]
    made += [Cursor(f"{kind} timeline", timeline.TimelineKey).write(place) for kind in kinds]
    made += [JOBS_CURSOR.write(5), ATTEMPTS_CURSOR.write(Last(NOON, JOB_ID, 1))]
    return next(cursor for cursor in made if is_taken(declared, cursor))


def is_taken(declared: Parameter[Any], value: str) -> bool:
    try:
        declared.read(value)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("command", "operation"),
    [pytest.param(*one, id=" ".join(one[0])) for one in questions()],
)
def test_a_command_takes_what_its_operation_takes_over_http(
    command: list[str], operation: Operation[ReadSide, Any]
) -> None:
    path = {declared.name: "id/1" for declared in operation.takes.path}
    asked = [declared for declared in operation.takes.query if declared is not MIN_POSITION]
    query = {declared.name: value_of(declared) for declared in asked}
    options = [
        word for name, value in query.items() for word in (f"--{name.replace('_', '-')}", value)
    ]
    args = parser().parse_args([*command, *path.values(), *options])
    typed = arguments_of(args, args.operation)
    sent = operation.takes.read(path, urlencode(as_sent(operation, query)).encode())
    assert args.operation is operation
    for declared in (*operation.takes.path, *asked):
        assert typed[declared] == sent[declared] != declared.default


def test_pairs_may_be_given_several_times() -> None:
    line = ["list", "payments", "--metadata", "plan=pro", "--metadata", "note=a=b c"]
    args = parser().parse_args(line)
    assert args.metadata == {"plan": "pro", "note": "a=b c"}


def test_a_customer_is_asked_for_whole() -> None:
    args = parser().parse_args(["customer", "cus_1", "--as-of", "2026-05-01T00:00:00Z"])
    assert args.json is False
    given = arguments_of(args, GET_CUSTOMER_LIFECYCLE)
    assert [name for name in ("limit", "cursor", "min_position") if hasattr(args, name)] == []
    (customer_id,) = GET_CUSTOMER_LIFECYCLE.takes.path
    assert given[customer_id] == "cus_1"


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
        "list payments --metadata a=1 --metadata a=2",
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
        "windmill",
        "windmill routes --route x",
        "windmill outbox --state lost",
        "windmill attempts --job-id 1",
        "windmill retry --state parked",
        "windmill replay",
        "windmill replay --route x --since yesterday",
        "windmill replay --route x --type refund.?",
        "windmill test x",
        "windmill test --event dispute.opened",
    ],
)
def test_what_cannot_be_asked_is_wrong_usage(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parser().parse_args(line.split())
    assert exit_.value.code == 2
    assert "usage: raphus" in capsys.readouterr().err
