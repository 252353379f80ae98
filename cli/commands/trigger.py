"""Post a made-up event of a type to a server, signed as Dodo signs."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from cli.arguments import add_json
from cli.commands.simulate import told
from cli.errors import CommandError
from cli.sample_events import NoSampleError, story
from cli.settings import SettingsError
from simulator import Patience, Player, retold

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from cli.settings import Settings
    from simulator import Occurrence, Tally

PATIENCE: Final = Patience(attempts_max=3)


def add(command: ArgumentParser) -> None:
    """Take the type, and where to."""
    command.add_argument("type", metavar="TYPE", help="such as subscription.renewed")
    command.add_argument(
        "--to", metavar="URL", help="a webhook address; default: the server that HOST and PORT name"
    )
    command.add_argument(
        "--alone", action="store_true", help="without what happened to the same thing before"
    )
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Make up what leads to the event and the event itself, of a new thing, and post it now."""
    settings.verifier()  # tells what is wrong with the secrets
    try:
        before = story(args.type)
    except NoSampleError as error:
        raise SettingsError(str(error)) from error
    posted = retold(before, datetime.now(UTC), secrets.token_hex(8))[-1 if args.alone else 0 :]
    url = args.to or f"http://{settings.host}:{settings.port}/webhooks/dodo"
    tally = asyncio.run(_post(posted, url, settings.webhook_keys[0]))
    if args.json:
        webhook_ids = [one.webhook_id for one in posted]
        print(msgspec.json.encode({"url": url, "webhook_ids": webhook_ids}).decode())
    else:
        print(*(f"{one.webhook_id}  {one.type}" for one in posted), told(tally), sep="\n")
    if tally.refused or tally.failed:
        raise CommandError(f"not every webhook was accepted at {url}")


async def _post(posted: Sequence[Occurrence], url: str, secret: str) -> Tally:
    player = Player(url, secret, concurrency=1, patience=PATIENCE)
    return await player.play(posted)
