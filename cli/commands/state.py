"""Print all that counts of a person: what there is, access, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.http.operations import Operation
from api.http.parameters import Declared
from api.queries.holdings import CUSTOMER_ID, EMAIL, EXTERNAL_ID, PERSON
from api.resources.state import TIMES, State, state
from cli.arguments import add_json, add_taken, parameter
from cli.offline_queries import ask
from cli.policy import read_policy
from cli.rendering.state import show_state

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from api.http.parameters import Arguments
    from api.queries.read_side import ReadSide
    from cli.settings import Settings


async def _state(read_side: ReadSide, arguments: Arguments) -> State:
    asked = {name: str(value) for name, value in arguments.among(PERSON).items()}
    return await state(read_side, asked, arguments)


_STATE: Final = Operation["ReadSide", State](
    path="",  # over HTTP there is a path for each way to name a person
    name="state",
    summary="Print all that counts of a person: what there is, access, and how sure that is.",
    handle=_state,
    answers=State,
    takes=Declared(query=(CUSTOMER_ID, EMAIL, EXTERNAL_ID, *TIMES)),
)


def add(command: ArgumentParser) -> None:
    """Take who is asked about, by one of three names, and the times."""
    command.set_defaults(operation=_STATE, show=show_state)
    command.add_argument(
        CUSTOMER_ID.name,
        type=parameter(CUSTOMER_ID),
        nargs="?",
        metavar="ID",
        help=CUSTOMER_ID.description,
    )
    add_taken(command, _STATE, without=(CUSTOMER_ID,))
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Print it."""
    read_policy(settings)  # tells what is wrong with the file
    ask(settings, args)
