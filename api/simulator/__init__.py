"""A simulated merchant, deterministic by a seed, and the player that posts its webhooks."""

from __future__ import annotations

from api.simulator.deliveries import Posting, as_dodo_delivers
from api.simulator.merchant import Occurrence, merchant
from api.simulator.player import Patience, Player, Tally

__all__ = [
    "Occurrence",
    "Patience",
    "Player",
    "Posting",
    "Tally",
    "as_dodo_delivers",
    "merchant",
]
