"""Commands that ask what HTTP is asked too, by the same operations, without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

from api.http.pagination import LIMIT
from api.http.responses import encode
from api.queries.time_travel import AS_OF, KNOWN_AT
from api.resources.customers import CURSOR
from api.resources.lifecycle import GET_CUSTOMER_LIFECYCLE, whole_lifecycle
from api.resources.objects import OBJECTS
from api.resources.timelines import LIST_REFUSALS
from cli.arguments import add_json, add_taken, given_in
from cli.offline_queries import asked
from cli.rendering.customers import show_customer
from cli.rendering.explanations import show_explanation
from cli.rendering.objects import show_object, show_objects
from cli.rendering.progress import shown
from cli.rendering.tables import show_line
from cli.rendering.terminal import console, wide_console, write
from cli.rendering.timelines import show_happenings, show_timeline
from cli.rendering.words import past
from projections.read_models.catalogue import LISTINGS

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from rich.console import Console

    from api.http.operations import Operation
    from api.http.pagination import Page
    from api.queries.read_side import ReadSide
    from api.resources.objects import Objects
    from cli.arguments import Commands
    from cli.settings import Settings
    from domain.entity import Entity
    from domain.timeline import Entry

    # Any: each shows what its own operation answers.
    Show: TypeAlias = Callable[[Console, Any, str], None]

T = TypeVar("T")
FACTS_MAX: Final = 10_000
"""So many of a customer are read at the most."""


def add(commands: Commands) -> None:
    """Declare the commands."""
    for name, help_, operation_of, show in _OF_OBJECTS:
        command = commands.add(name, _ask, help_)
        kinds = command.add_subparsers(required=True, metavar="KIND")
        for resource, objects in OBJECTS.items():
            operation = operation_of(objects)
            alias = LISTINGS[resource].kind
            parser = kinds.add_parser(resource, aliases=[alias], help=operation.summary)
            _take(parser, operation, show)
    refusals = commands.add("refusals", _ask, "list the facts that are refused")
    _take(refusals, LIST_REFUSALS, _show_refusals)
    customer = commands.add("customer", _customer, "print a customer's whole lifecycle")
    add_taken(customer, GET_CUSTOMER_LIFECYCLE, without=(LIMIT, CURSOR.parameter))
    add_json(customer)


def _take(parser: ArgumentParser, operation: Operation[ReadSide], show: Show) -> None:
    parser.description = operation.summary
    parser.set_defaults(operation=operation, show=show)
    add_taken(parser, operation)
    add_json(parser)


def _ask(settings: Settings, args: Namespace) -> None:
    operation: Operation[ReadSide] = args.operation
    show: Show = args.show
    given = given_in(args, operation)
    answer = _answered(settings, args, lambda read_side: operation.handle(read_side, given))
    if args.json:
        write(answer.body + b"\n")
    else:
        found = answer.decoded(cast("type[Any]", operation.answers))
        show(wide_console(), found, past(given[AS_OF], given[KNOWN_AT]))


def _customer(settings: Settings, args: Namespace) -> None:
    given = given_in(args, GET_CUSTOMER_LIFECYCLE)
    found = _answered(
        settings, args, lambda read_side: whole_lifecycle(read_side, given, FACTS_MAX)
    )
    if args.json:
        write(encode(found) + b"\n")
    else:
        show_customer(wide_console(), found, past(given[AS_OF], given[KNOWN_AT]))


def _answered(
    settings: Settings, args: Namespace, question: Callable[[ReadSide], Awaitable[T]]
) -> T:
    # What was known at a time may have to be built first, which takes a while.
    builds = args.known_at is not None
    if not builds:
        return asked(settings, question)
    with shown(console(stderr=True)) as progress:
        return asked(settings, question, progress)


def _show_list(console: Console, page: Page[Entity], past: str) -> None:
    _show_head(console, past)
    show_objects(console, page.items)
    _show_next(console, page)


def _show_timeline(console: Console, page: Page[Entry], past: str) -> None:
    _show_head(console, past)
    show_timeline(console, page.items)
    _show_next(console, page)


def _show_refusals(console: Console, page: Page[Entry], past: str) -> None:
    _show_head(console, past)
    show_happenings(console, page.items, {})
    _show_next(console, page)


def _show_head(console: Console, past: str) -> None:
    if past:
        show_line(console, past.removeprefix(", "))


def _show_next(console: Console, page: Page[Any]) -> None:
    if page.next is not None:
        show_line(console, f"There are more: --cursor {page.next}")


class _OfObjects(NamedTuple):
    name: str
    help: str
    operation_of: Callable[[Objects], Operation[ReadSide]]
    show: Show


_OF_OBJECTS: Final = (
    _OfObjects("list", "list the objects of a kind", lambda o: o.list, _show_list),
    _OfObjects("show", "show one object", lambda o: o.one, show_object),
    _OfObjects("timeline", "tell what happened to an object", lambda o: o.timeline, _show_timeline),
    _OfObjects("explain", "tell why a field is what it is", lambda o: o.explain, show_explanation),
)
"""The commands about objects, each for every kind."""
