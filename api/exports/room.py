"""How many exports there may be at once: each holds a connection, a thread and a transaction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from api.http.errors import not_now

if TYPE_CHECKING:
    from collections.abc import Iterator

EXPORTS_MAX: Final = 4
RETRY_S: Final = 10


class Room:
    """Counts the exports of one server that are under way."""

    def __init__(self) -> None:
        self._taken = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place while the block runs.

        Raises:
            ApiError: 503; there is none.
        """
        if self._taken >= EXPORTS_MAX:
            told = f"{EXPORTS_MAX} exports are under way, as many as may be"
            raise not_now("busy", told, retry_s=RETRY_S)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
