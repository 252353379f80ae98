"""Whether the server is ready, as pages tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from api.http.errors import ApiError
from api.resources.health import READYZ

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.resources.health import Ready
    from console.visit import Visit

LAG_MAX_S: Final = 60.0
"""A lag that is longer is told as something to look at; docs/operations.md raises the alarm."""


class Readiness(NamedTuple):
    """How the server is; where it is not ready, `problem` and, by part, `problems` tell why."""

    ready: Ready | None
    problem: str | None
    problems: Mapping[str, str]

    @property
    def is_behind(self) -> bool:
        """Whether the read models lack what came a while ago, as far as the visitor may know."""
        return self.ready is not None and (self.ready.lag_s or 0) > LAG_MAX_S

    @property
    def warnings(self) -> Mapping[str, str]:
        """What is to be seen to, by what it is about, as far as the visitor may know."""
        return (self.ready.warnings or {}) if self.ready is not None else {}


async def readiness(visit: Visit) -> Readiness:
    """Ask how the server is."""
    try:
        return Readiness(await visit.ask(READYZ), None, {})
    except ApiError as error:
        told = error.body.error
        problems = {name: str(problem) for name, problem in told.details.items()}
        return Readiness(None, told.message, problems or {"server": told.message})
