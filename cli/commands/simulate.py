"""Post a simulated merchant's webhooks."""

from __future__ import annotations

import asyncio
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from cli.arguments import add_json, integer, read_with
from cli.errors import CommandError
from cli.rendering.progress import shown
from cli.rendering.terminal import console
from simulator import BEGAN_AT, Player, as_dodo_delivers, lost, merchant

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from rich.console import Console

    from cli.settings import Settings
    from simulator import Occurrence, Tally

CUSTOMERS_MAX: Final = 20_000
"""Their webhooks are invented in memory: about 60 KB a customer of each 14 months."""


class Play(NamedTuple):
    """What to play: the histories of so many customers in 14 months, chosen by a seed.

    They end at `until`. The share `lost` of the webhooks never comes, as after an outage longer
    than Dodo's retries.
    """

    customers: int
    seed: int
    lost: float
    until: datetime


class Played(NamedTuple):
    """How the webhooks were answered; all that happened, and what was lost of it on the way."""

    tally: Tally
    occurrences: Sequence[Occurrence]
    lost: Sequence[Occurrence]


def add(command: ArgumentParser) -> None:
    """Take the server, and what to play."""
    command.add_argument("--to", required=True, metavar="URL", help="a server's webhook address")
    add_play(command, lost=0.0)
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Post them, and tell what became of all."""
    settings.verifier()  # tells what is wrong with the secrets
    played = play(play_in(args), args.to, settings.webhook_keys[0], console(stderr=True))
    print(_as_json(played) if args.json else told(played.tally))
    if played.tally.refused or played.tally.failed:
        raise CommandError("not every webhook was accepted")


def add_play(command: ArgumentParser, *, lost: float) -> None:
    """Take what to play."""
    command.add_argument(
        "--customers", type=_count, default=150, help="in each 14 months; default: %(default)s"
    )
    command.add_argument("--seed", type=int, default=1, help="chooses the histories; default: 1")
    command.add_argument(
        "--lost",
        type=_share,
        default=lost,
        help="share that never comes, 0 to 1; default: %(default)s",
    )
    command.add_argument(
        "--until",
        type=read_with(_until),
        metavar="TIME",
        help="a day or a time at which the histories end; default: now",
    )


def play_in(args: Namespace) -> Play:
    """Return what to play."""
    return Play(args.customers, args.seed, args.lost, args.until or _now())


def play(what: Play, url: str, secret: str, console: Console) -> Played:
    """Post a merchant's webhooks as Dodo would: out of order, late and more than once.

    Whatever was played before until an earlier instant is a part of it, under the same webhook-ids.

    Raises:
        ValueError: the secret is not one.
    """
    player = Player(url, secret)
    until = what.until.isoformat().replace("+00:00", "Z")
    console.print(f"Inventing a merchant's life, --seed {what.seed} --until {until}")
    occurrences = merchant(what.seed, customers=what.customers, until=what.until)
    deliveries = as_dodo_delivers(occurrences, what.seed, lose=what.lost)
    missing = lost(occurrences, deliveries)
    without = f", {len(missing)} lost on the way" if missing else ""
    console.print(f"Posting {len(deliveries)} webhooks about {len(occurrences)} events{without}")
    with shown(console) as progress:
        tally = asyncio.run(player.play(deliveries, partial(progress, "posting")))
    return Played(tally, occurrences, missing)


def _as_json(played: Played) -> str:
    lost = [occurrence.webhook_id for occurrence in played.lost]
    return msgspec.json.encode({**msgspec.structs.asdict(played.tally), "lost": lost}).decode()


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


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _until(value: str) -> datetime:
    """Read a day (its first instant in UTC), or a time with a time zone, that has been."""
    try:
        until = datetime.fromisoformat(value)
        until = until.replace(tzinfo=UTC) if len(value) == len("2026-10-01") else until
    except ValueError:
        until = None
    if until is None or until.tzinfo is None:
        raise ValueError("must be a day as 2026-10-01, or a time as 2026-10-01T12:00:00Z")
    if not BEGAN_AT < until <= _now():
        raise ValueError(
            f"must be after {BEGAN_AT:%Y-%m-%d}, when the merchant begins, and not after now"
        )
    return until.astimezone(UTC)


def _share(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise ArgumentTypeError("must be a number from 0 to 1")
    return number
