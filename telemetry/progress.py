"""Reports on how far long work is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the name of a phase, and how much of it is done of how much there is.

Where that is not known it is 0, until the end, when all there is is done.
"""


def silent(_phase: str, _done: int, _total: int) -> None:
    """Report nothing."""
