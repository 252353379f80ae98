"""Post a simulated merchant's webhooks."""

from __future__ import annotations

import asyncio
from argparse import ArgumentTypeError
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from cli.arguments import add_json, integer
from cli.errors import CommandError
from cli.rendering.progress import shown
from cli.rendering.terminal import console
from simulator import PRESENT, Player, as_dodo_delivers, merchant

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from rich.console import Console

    from cli.settings import Settings
    from simulator import Tally

CUSTOMERS_MAX: Final = 20_000
"""Their webhooks are invented in memory: about 60 KB a customer."""


class Play(NamedTuple):
    """What to play: so many customers' histories, chosen by a seed.

    The share `lost` of the webhooks never comes, as after an outage longer than Dodo's retries.
    """

    customers: int
    seed: int
    lost: float


def add(command: ArgumentParser) -> None:
    """Take the server, and what to play."""
    command.add_argument("--to", required=True, metavar="URL", help="a server's webhook address")
    add_play(command, lost=0.0)
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Post them, and tell what became of all."""
    settings.verifier()  # tells what is wrong with the secrets
    tally = play(play_in(args), args.to, settings.webhook_keys[0], console(stderr=True))
    print(msgspec.json.encode(tally).decode() if args.json else told(tally))
    if tally.refused or tally.failed:
        raise CommandError("not every webhook was accepted")


def add_play(command: ArgumentParser, *, lost: float) -> None:
    """Take what to play."""
    command.add_argument("--customers", type=_count, default=150, help="default: %(default)s")
    command.add_argument("--seed", type=int, default=1, help="chooses the histories; default: 1")
    command.add_argument(
        "--lost",
        type=_share,
        default=lost,
        help="share that never comes, 0 to 1; default: %(default)s",
    )


def play_in(args: Namespace) -> Play:
    """Return what to play."""
    return Play(args.customers, args.seed, args.lost)


def play(what: Play, url: str, secret: str, console: Console) -> Tally:
    """Post a merchant's webhooks as Dodo would: out of order, late and more than once.

    Raises:
        ValueError: the secret is not one.
    """
    player = Player(url, secret)
    console.print(f"Inventing {what.customers} customers' histories, seed {what.seed}")
    occurrences = merchant(what.seed, customers=what.customers, until=PRESENT)
    deliveries = as_dodo_delivers(occurrences, what.seed, lose=what.lost)
    lost = f", {what.lost:.0%} lost on the way" if what.lost else ""
    console.print(f"Posting {len(deliveries)} webhooks about {len(occurrences)} events{lost}")
    with shown(console) as progress:
        return asyncio.run(player.play(deliveries, partial(progress, "posting")))


def told(tally: Tally) -> str:
    """Return what became of all the webhooks, as a sentence."""
    parts = [
        f"{tally.sent} sent",
        f"{tally.recorded} recorded",
        f"{tally.duplicates} duplicates",
        f"{tally.retries} retries",
        *(f"{count} answered {status}" for status, count in tally.refused_by_status.items()),
        *([f"{tally.failed} never answered"] if tally.failed else []),
    ]
    return ", ".join(parts)


def _count(value: str) -> int:
    return integer(value, CUSTOMERS_MAX)


def _share(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise ArgumentTypeError("must be a number from 0 to 1")
    return number
