"""How often keys may be tried that are none."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

OF_PEER: Final = 10
PEER_REGAINS_S: Final = 30.0
"""A peer may be wrong so often at once, and once more each time so many seconds have passed."""
OF_ALL: Final = 100
ALL_REGAIN_S: Final = 1.0
"""The same for all peers together, of whom one may have many addresses."""
PEERS_MAX: Final = 1_000
"""So many peers are known, and he is forgotten who has been wrong longest ago."""


@dataclass
class _Bucket:
    size: int
    regains_s: float
    used: float = 0.0
    at: float = 0.0

    def wait_s(self, now: float) -> float:
        """Return in how many seconds one more is allowed; 0 where it is now."""
        self._drain(now)
        return max(0.0, (self.used - self.size + 1) * self.regains_s)

    def take(self, now: float) -> None:
        """Count one."""
        self._drain(now)
        self.used += 1

    def _drain(self, now: float) -> None:
        self.used = max(0.0, self.used - (now - self.at) / self.regains_s)
        self.at = now


@dataclass
class Tries:
    """Counts wrong tries, of each peer and of all; times are a monotonic clock's, in seconds."""

    _all: _Bucket = field(default_factory=lambda: _Bucket(OF_ALL, ALL_REGAIN_S))
    _peers: OrderedDict[str | bytes, _Bucket] = field(default_factory=OrderedDict)

    def wait_s(self, peer: str | bytes, now: float) -> float:
        """Return how long a peer must wait before the next try; 0 where he need not."""
        of_peer = self._peers.get(peer)
        return max(self._all.wait_s(now), of_peer.wait_s(now) if of_peer else 0.0)

    def count(self, peer: str | bytes, now: float) -> None:
        """Count a wrong try."""
        self._all.take(now)
        bucket = self._peers.setdefault(peer, _Bucket(OF_PEER, PEER_REGAINS_S))
        bucket.take(now)
        self._peers.move_to_end(peer)
        if len(self._peers) > PEERS_MAX:
            self._peers.popitem(last=False)
