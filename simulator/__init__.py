"""A simulated merchant, deterministic by a seed, and the player that posts its webhooks."""

from __future__ import annotations

from simulator.deliveries import Posting, as_dodo_delivers, lost
from simulator.merchant import BEGAN_AT, GENERATION, Occurrence, merchant
from simulator.player import Patience, Player, Tally
from simulator.retelling import retold

__all__ = [
    "BEGAN_AT",
    "GENERATION",
    "Occurrence",
    "Patience",
    "Player",
    "Posting",
    "Tally",
    "as_dodo_delivers",
    "lost",
    "merchant",
    "retold",
]
