"""What a stream is folded from: a stored fold, with what of it is still open, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from domain.going_on import decode, goes_on
from ledger.following.pages import ANY_VERSION, Touched

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from domain.aggregate import Aggregate, Base
    from projections.folds.store import Found


class Origin(NamedTuple):
    """What a stream is folded from: a base, up to a version but for the open ones, or nothing."""

    base: Base | None = None
    version: int = 0
    open: tuple[int, ...] = ()

    def behind(self, stream_id: str, version: int) -> list[Touched]:
        """Return what is read of the stream up to a version."""
        open_ = [Touched(stream_id, one, one - 1, self.version) for one in self.open]
        return [*open_, Touched(stream_id, version, self.version, self.version)]

    def length(self, version: int) -> int:
        """Return how many events that is."""
        return version if version == ANY_VERSION else version - self.version + len(self.open)

    def leads_to(self, stream: Aggregate, told_before: AbstractSet[int]) -> bool:
        """Tell whether a stream folded from here is as it is from its first event on.

        It is unless an event comes late, or tells again, as those `told_before` the version do,
        what the base stands for.
        """
        return self.base is None or (not told_before - {*self.open} and goes_on(stream))


def origin_of(stored: Found) -> Origin | None:
    """Read what is stored; None where it cannot be read."""
    if stored.fold is None:
        return None
    try:
        base = decode(stored.version - len(stored.open), stored.fold)
    except msgspec.MsgspecError:
        return None
    return Origin(base, stored.version, tuple(stored.open))


def origins_of(found: Mapping[str, Found]) -> dict[str, Origin]:
    """Read what is stored of streams; one that cannot be read is left out."""
    origins = {stream_id: origin_of(stored) for stream_id, stored in found.items()}
    return {stream_id: origin for stream_id, origin in origins.items() if origin is not None}


def read_behind(origins: Mapping[str, Origin], versions: Mapping[str, int]) -> list[Touched]:
    """Return what is read of streams, each up to a version, from its origin on, or whole."""
    return [
        touched
        for stream_id, version in versions.items()
        for touched in origins.get(stream_id, Origin()).behind(stream_id, version)
    ]
