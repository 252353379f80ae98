"""Playing: the simulated merchant's webhooks, posted to a server, with the progress shown."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from api.simulator import Player, as_dodo_delivers, merchant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from api.simulator import Tally

UNTIL: Final = datetime(2026, 10, 1, tzinfo=UTC)
"""The simulated present: fixed, so that a seed gives the same webhooks on every day."""
LINE_EVERY_S: Final = 2.0


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
    occurrences = merchant(what.seed, customers=what.customers, until=UNTIL)
    deliveries = as_dodo_delivers(occurrences, what.seed, lose=what.lost)
    lost = f", {what.lost:.0%} lost on the way" if what.lost else ""
    console.print(f"Posting {len(deliveries)} webhooks about {len(occurrences)} events{lost}")
    with _shown(console, len(deliveries)) as progress:
        return asyncio.run(player.play(deliveries, progress))


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


@contextmanager
def _shown(console: Console, total: int) -> Iterator[Callable[[int, int], None]]:
    """Show the progress: as a bar to a person, as a line now and then to a log."""
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task("Posting", total=total)
        yield lambda done, _: bar.update(task, completed=done)


def _lines(console: Console) -> Callable[[int, int], None]:
    next_at = time.monotonic() + LINE_EVERY_S

    def line(done: int, total: int) -> None:
        nonlocal next_at
        if done == total or time.monotonic() >= next_at:
            next_at = time.monotonic() + LINE_EVERY_S
            console.print(f"{done} of {total}")

    return line
