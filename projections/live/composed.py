"""The statements that write read models: composed when first needed, and once a process.

To compose those of every kind takes longer than to write a page.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from projections.live.regrouping import Regrouping
from projections.live.upsert import Replacement
from projections.live.writing import Writing

if TYPE_CHECKING:
    from projections.read_model import ReadModel

_KEPT_MAX: Final = 4
"""Of so many schemas: each snapshot has its own."""


class Composed:
    """What writes the rows of read models into their tables in one schema; it keeps no rows."""

    def __init__(self, models: tuple[ReadModel, ...], schema: str) -> None:
        self._models = models
        self._schema = schema
        by_table = {model.table: model for model in models}
        self.regroupings = [
            Regrouping(model, by_table[model.grouped.source], schema)
            for model in models
            if model.grouped is not None
        ]
        self.derived = [Replacement(model, schema) for model in models if model.derived]
        self._writings: dict[str, Writing] = {}

    def writing(self, kind: str) -> Writing:
        """Return what writes the rows of streams of a kind."""
        if kind not in self._writings:
            self._writings[kind] = Writing(self.models_of(kind), self.regroupings, self._schema)
        return self._writings[kind]

    def models_of(self, kind: str) -> list[ReadModel]:
        """Return the read models in which streams of a kind have rows."""
        return [model for model in self._models if kind in model.streams]


composed: Final = lru_cache(_KEPT_MAX)(Composed)
"""The same, as it may have been made before: threads share it."""
