"""The API of the simulated merchant, as Dodo would serve it at a chosen instant."""

from __future__ import annotations

from simulator.dodo_api.api import SimulatedDodo
from simulator.dodo_api.limit import RateLimit
from simulator.dodo_api.server import serving

__all__ = ["RateLimit", "SimulatedDodo", "serving"]
