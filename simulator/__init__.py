"""A simulated merchant, deterministic by a seed, and the player that posts its webhooks."""

from __future__ import annotations

from simulator.deliveries import Posting, as_dodo_delivers
from simulator.merchant import PRESENT, Occurrence, merchant
from simulator.player import Patience, Player, Tally

__all__ = [
    "PRESENT",
    "Occurrence",
    "Patience",
    "Player",
    "Posting",
    "Tally",
    "as_dodo_delivers",
    "merchant",
]
