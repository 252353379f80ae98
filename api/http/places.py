"""How many of something there may be at once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from api.http.errors import not_now

if TYPE_CHECKING:
    from collections.abc import Iterator


class Places:
    """Counts what is under way of something, which there may be `most` of at once."""

    def __init__(self, what: str, most: int, retry_s: int) -> None:
        self._what = what
        self._most = most
        self._retry_s = retry_s
        self._taken = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Take a place while the block runs.

        Raises:
            ApiError: 503; there is none.
        """
        if self._taken >= self._most:
            told = f"{self._most} {self._what} are under way, as many as may be"
            raise not_now("busy", told, retry_s=self._retry_s)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
