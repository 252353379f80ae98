"""What kinds of targets are told of where the program runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Windmill(NamedTuple):
    """What the environment says of Windmill; each may be missing where routes have whole URLs."""

    base_url: str | None = None
    workspace: str | None = None
    token: str | None = None

    def __repr__(self) -> str:
        return f"Windmill({self.base_url!r}, {self.workspace!r})"


class Surroundings(NamedTuple):
    """What targets may need to know beside what a route declares.

    `environ` is the environment, from which routes name secrets.
    """

    windmill: Windmill
    environ: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Surroundings({self.windmill!r})"
