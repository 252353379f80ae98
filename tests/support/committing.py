"""Batches that an event loop commits, for tests that have none."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ledger.committer import Committer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from domain.delivery import Delivery
    from ledger.application import Ledger, Recording


@contextmanager
def committing(ledger: Ledger) -> Iterator[Callable[[list[Delivery]], list[Recording]]]:
    """Give what has a loop commit a batch, and returns the answers."""
    with asyncio.Runner() as runner:
        committer = Committer(ledger)
        try:
            yield lambda batch: runner.run(committer.commit(batch))
        finally:
            committer.close()
