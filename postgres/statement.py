"""What a connection is given to run, and the rows that come back."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Row: TypeAlias = "tuple[object, ...]"


class Statement(NamedTuple):
    """An SQL statement, with its parameters by name.

    Read models are named without their schema: the connection's search path tells whether the
    live ones are asked, or those as known at some time.
    """

    sql: str
    params: dict[str, object]
