"""How often somebody waits for the database: its round trips, which noise does not move."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def counting_trips() -> Iterator[list[int]]:
    """Add to a list at each time that a connection waits for an answer."""
    waited: list[int] = []
    wait = psycopg.Connection.wait

    def counted(conn: psycopg.Connection, *args: object, **kwargs: object) -> object:
        waited.append(1)
        return wait(conn, *args, **kwargs)  # type: ignore[arg-type]  # passed on as it came

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(psycopg.Connection, "wait", counted)
        yield waited
