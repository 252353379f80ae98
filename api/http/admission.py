"""Who has to go when there are as many connections as there may be."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from heapq import nsmallest
from typing import TYPE_CHECKING, Final, Protocol

from telemetry.logs import Throttle

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from collections.abc import Set as AbstractSet

_log = Throttle(logging.getLogger(__name__))

SHARE: Final = 16
"""One in so many goes at once, so that looking for them costs each newcomer little."""
_NETWORK_BYTES: Final = 8
"""Of an IPv6 address: whoever has one has all of its /64."""


class Connection(Protocol):
    """What is to be known of a connection."""

    @property
    def address(self) -> str:
        """The peer's address."""

    @property
    def waits_since(self) -> float | None:
        """Since when it is the peer's turn, None while it is ours."""

    def abort(self) -> None:
        """End it at once."""


class Admission:
    """Keeps the connections of a server below a number, and room for the next one.

    A newcomer is let in, and those that have kept the server waiting longest go: a request that
    comes slowly, an answer that is not taken, a connection that is idle. A sender that sends its
    webhook as fast as it can is always among the last. Where one address has more than half of
    all connections they are taken from that address, so that nobody is driven out by one peer
    alone; where a proxy brings everybody in, that is everybody. No address is refused for its
    number of connections, since that proxy's would be.
    """

    def __init__(self, connections_max: int) -> None:
        self._connections_max = connections_max
        self._leaving: set[Connection] = set()

    def admit(self, newcomer: Connection, connections: AbstractSet[Connection]) -> None:
        """Make room for a connection that is among the others already."""
        if len(connections) - len(self._leaving) <= self._connections_max:
            return
        staying = [each for each in connections if each not in self._leaving]
        share = max(len(staying) // SHARE, 1)
        for leaving in longest_waiting(staying, share) or [newcomer]:
            self._leaving.add(leaving)
            leaving.abort()
        _log.warning(
            f"{self._connections_max} connections were open, as many as may be: those that had"
            f" kept the server waiting longest are closed, up to {share} at once"
        )

    def forget(self, connection: Connection) -> None:
        """Count a connection no more, since it has ended."""
        self._leaving.discard(connection)


def longest_waiting(connections: Collection[Connection], count: int) -> Sequence[Connection]:
    """Return the connections to close: `count`, or as many as there are whose turn it is."""
    waiting = [(since, each) for each in connections if (since := each.waits_since) is not None]
    if not waiting:
        return []
    networks = Counter(network_of(each.address) for each in connections)
    network, number = networks.most_common(1)[0]
    if number > len(connections) / 2:
        waiting = [(since, each) for since, each in waiting if network_of(each.address) == network]
    return [each for _, each in nsmallest(count, waiting, key=lambda pair: pair[0])]


def network_of(address: str) -> str | bytes:
    """Return what one peer has of addresses: an IPv4 address, or the /64 of an IPv6 one."""
    if ":" not in address:
        return address
    try:
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except OSError:
        return address
    return packed if address.startswith("::ffff:") else packed[:_NETWORK_BYTES]
