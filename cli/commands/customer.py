"""Print a customer's whole lifecycle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.http.questions import Paged
from api.http.responses import encode
from api.resources.lifecycle import GET_CUSTOMER_LIFECYCLE, whole_lifecycle
from cli.arguments import add_json, add_taken, given
from cli.offline_queries import answered
from cli.rendering.customers import show_customer
from cli.rendering.pages import past_of
from cli.rendering.terminal import wide_console, write

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings

FACTS_MAX: Final = 10_000
"""So many of a customer are read at the most."""


def add(command: ArgumentParser) -> None:
    """Take the customer and the times; pages are joined."""
    add_taken(command, GET_CUSTOMER_LIFECYCLE.reader, without=(*Paged.__struct_fields__, "order"))
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Print it, with all of its timeline."""
    query = given(args, GET_CUSTOMER_LIFECYCLE.reader)
    lifecycle = answered(
        settings, args, lambda read_side: whole_lifecycle(read_side, query, FACTS_MAX)
    )
    if args.json:
        write(encode(lifecycle) + b"\n")
    else:
        show_customer(wide_console(), lifecycle, past_of(query))
