"""What HTTP answers, answered without a server: by the same operations, as JSON or to be read."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from api.http.responses import encode
from api.queries.database import Database
from api.queries.product_names import ProductNames
from api.queries.read_side import ReadSide
from api.queries.snapshot_cache import SnapshotCache
from api.resources.objects import OBJECTS
from cli import database as conninfo
from cli.arguments import add_json, add_taken, given
from cli.rendering.progress import shown
from cli.rendering.terminal import console, wide_console, write
from projections.read_models.catalogue import LISTINGS
from telemetry.progress import silent

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from collections.abc import AsyncIterator, Awaitable, Callable
    from typing import TypeAlias

    from rich.console import Console

    from api.http.operations import Operation
    from api.http.questions import Query
    from api.resources.objects import Objects
    from cli.settings import Settings
    from telemetry.progress import Progress

    # Generic in typeshed only.
    KindParsers: TypeAlias = "_SubParsersAction[ArgumentParser]"
    # Any: each shows what its own operation answers, and is asked by.
    Show: TypeAlias = Callable[[Console, Any, Any], None]

T = TypeVar("T")


def add_operation(
    command: ArgumentParser, operation: Operation[ReadSide, Any, Any], show: Show
) -> None:
    """Let a command take what an operation takes, and show what it answers."""
    command.description = operation.summary
    command.set_defaults(operation=operation, show=show)
    add_taken(command, operation.reader)
    add_json(command)


def add_kinds(
    command: ArgumentParser,
    operation_of: Callable[[Objects[Any]], Operation[ReadSide, Any, Any]],
    show: Show,
) -> KindParsers:
    """Let a command be about the objects of each kind, named as the resource or as the kind.

    What it returns takes further kinds.
    """
    kinds = command.add_subparsers(required=True, metavar="KIND")
    for resource, objects in OBJECTS.items():
        operation = operation_of(objects)
        alias = LISTINGS[resource].kind
        parser = kinds.add_parser(resource, aliases=[alias], help=operation.summary)
        add_operation(parser, operation, show)
    return kinds


def ask(settings: Settings, args: Namespace) -> None:
    """Answer the operation that a command was declared with.

    Raises:
        ApiError, RaphusError: as for `answered`.
    """
    operation: Operation[ReadSide, Any, Any] = args.operation
    show: Show = args.show
    query: Query = given(args, operation.reader)
    result = answered(settings, args, lambda read_side: operation.handle(read_side, query))
    if args.json:
        write(encode(result) + b"\n")
    else:
        show(wide_console(), result, query)


def answered(
    settings: Settings, args: Namespace, question: Callable[[ReadSide], Awaitable[T]]
) -> T:
    """Ask, and show the progress of what must be built first: what was known at some time.

    Raises:
        ApiError: the question is answered with an error: 400, 404 or 503.
        UnreachableError, EmbeddedPostgresError, MigrationError: there is no database to ask.
    """
    builds = getattr(args, "known_at", None) is not None
    with shown(console(stderr=True)) if builds else nullcontext(silent) as progress:
        return asked(settings, question, progress)


def asked(
    settings: Settings, question: Callable[[ReadSide], Awaitable[T]], progress: Progress
) -> T:
    """Ask the database that the settings mean.

    `progress` is told of what must be built first: what had been known at a time that nobody
    has asked about lately.

    Raises:
        ApiError: the question is answered with an error: 400, 404 or 503.
        UnreachableError, EmbeddedPostgresError, MigrationError: there is no database to ask.
    """

    async def ask(database: str) -> T:
        async with _reading(database, settings, progress) as read_side:
            return await question(read_side)

    with conninfo.database(settings) as database:
        return asyncio.run(ask(database))


@asynccontextmanager
async def _reading(
    conninfo_: str, settings: Settings, progress: Progress
) -> AsyncIterator[ReadSide]:
    database = Database(conninfo_)
    snapshots = SnapshotCache(conninfo_, database, patient=True, progress=progress)
    try:
        yield ReadSide(database, snapshots, ProductNames(database), settings.rules())
    finally:
        await snapshots.stop()
        await database.close()
