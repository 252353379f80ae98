"""The kinds of targets that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workflows.targets.endpoint.kind import ENDPOINT
from workflows.targets.windmill.kind import WINDMILL

if TYPE_CHECKING:
    from workflows.limits import Limits
    from workflows.targets.surroundings import Surroundings
    from workflows.targets.target import Kind, Sender, Target, Way

KINDS: Final[tuple[Kind[Any], ...]] = (WINDMILL, ENDPOINT)


class Senders:
    """Reaches targets of every kind."""

    def __init__(self, surroundings: Surroundings, limits: Limits) -> None:
        self._of: dict[str, Sender[Any]] = {
            kind.name: kind.sender(surroundings, limits) for kind in KINDS
        }

    def way(self, route: str, target: Target) -> Way:
        """Return the way to the target of a route of this name.

        Raises:
            TargetError: it cannot be reached as things are.
        """
        return self._of[target.kind].way(route, target)

    async def close(self) -> None:
        """Close all connections."""
        for sender in self._of.values():
            await sender.close()
