"""How long to wait after failures in a row."""

from __future__ import annotations

import random
from typing import Final

_DOUBLINGS_MAX: Final = 32
"""Far beyond any limit; the number of failures itself may grow until a float cannot hold it."""


def backoff_s(failures: int, least_s: float, most_s: float) -> float:
    """Return how many seconds to wait after the n-th failure in a row, counted from 1.

    It is `least_s` after the first one and doubles up to `most_s`.
    """
    return min(most_s, least_s * 2.0 ** min(failures - 1, _DOUBLINGS_MAX))


def spread_backoff_s(failures: int, least_s: float, most_s: float) -> float:
    """Return the same, less up to a half of it by chance: many who fail together come apart."""
    return backoff_s(failures, least_s, most_s) * random.uniform(0.5, 1.0)  # noqa: S311 -- no secret
