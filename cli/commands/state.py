"""Print all that counts of a person: what there is, access, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.answers.state import State
from api.http.operations import Operation
from api.queries.persons import PersonQuery
from api.queries.read_side import ReadSide
from api.resources.state import state
from cli.arguments import add_json, add_taken, checked
from cli.offline_queries import ask
from cli.policy import read_policy
from cli.rendering.state import show_state

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings

_STATE: Final = Operation[ReadSide, PersonQuery, State](
    path="",  # over HTTP there is a path for each way to name a person
    name="state",
    summary="Print all that counts of a person: what there is, access, and how sure that is.",
    handle=state,
    takes=PersonQuery,
    answers=State,
)


def add(command: ArgumentParser) -> None:
    """Take who is asked about, by one of three names, and the times."""
    command.set_defaults(operation=_STATE, show=show_state)
    reader = _STATE.reader
    field = reader.query["customer_id"]
    command.add_argument(
        field.name, type=checked(reader, field), nargs="?", metavar="ID", help=field.description
    )
    add_taken(command, reader, without={field.name})
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Print it."""
    read_policy(settings)  # tells what is wrong with the file
    ask(settings, args)
