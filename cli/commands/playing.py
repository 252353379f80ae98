"""Playing: the simulated merchant's webhooks, posted to a server, with the progress shown."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from cli.rendering.progress import shown
from simulator import PRESENT, Player, as_dodo_delivers, merchant

if TYPE_CHECKING:
    from rich.console import Console

    from simulator import Tally


class Play(NamedTuple):
    """What to play: so many customers' histories, chosen by a seed.

    The share `lost` of the webhooks never comes, as after an outage longer than Dodo's retries.
    """

    customers: int
    seed: int
    lost: float


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
