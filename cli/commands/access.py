"""Tell whether somebody has access, until when, why, and on what evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.resources.access import GET_ACCESS
from cli.offline_queries import add_operation, ask
from cli.policy import read_policy
from cli.rendering.access import show_access, show_policy
from cli.rendering.terminal import wide_console

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings


def add(command: ArgumentParser) -> None:
    """Take who is asked about, or that the policy is."""
    add_operation(command, GET_ACCESS, show_access)
    command.add_argument(
        "--policy", action="store_true", help="print the policy in force, and ask nothing"
    )


def run(settings: Settings, args: Namespace) -> None:
    """Print what the operation answers, or the policy that it answers by."""
    policy = read_policy(settings)  # tells what is wrong with the file
    if args.policy:
        show_policy(wide_console(), policy)
    else:
        ask(settings, args)
