"""The names of products, which stand beside their ids wherever people look."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from api.answers.named import named, named_entry, products_in, products_of
from projections.read_models.products import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from api.answers.named import NamedEntry, Names, Product
    from api.queries.database import Database
    from projections.listing import AnyEntity
    from projections.read_models.timeline import Line

KEPT_S: Final = 5.0
"""A name, or that there is none, is asked of the database again after so long."""
KEPT_MAX: Final = 10_000
"""So many are kept at the most."""


class _Kept(NamedTuple):
    name: str | None
    until_s: float


class ProductNames:
    """Tells names, and keeps them for a moment: most answers are about the same few products."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[Product, _Kept] = {}

    async def of(self, products: Iterable[Product]) -> Names:
        """Return the names that products have now; None where it is not known.

        Raises:
            ApiError: 503; the database is away.
        """
        asked, now_s = set(products), time.monotonic()
        kept = {one: self._kept[one] for one in asked & self._kept.keys()}
        found: dict[Product, str | None] = {
            one: told.name for one, told in kept.items() if told.until_s > now_s
        }
        if unknown := asked - found.keys():
            rows = await self._database.rows(names(sorted(unknown)))
            found |= dict.fromkeys(unknown)
            found |= {(str(of), str(id_)): name for of, id_, name in rows}  # type: ignore[misc]
            self._keep({one: _Kept(found[one], now_s + KEPT_S) for one in unknown})
        return found

    async def beside(self, entities: Sequence[AnyEntity]) -> list[AnyEntity]:
        """Return objects as they are answered: the names of products stand beside their ids.

        Raises:
            ApiError: 503; the database is away.
        """
        names = await self.of({one for entity in entities for one in products_of(entity)})
        return [named(entity, names) for entity in entities]

    async def in_changes(self, lines: Sequence[Line]) -> list[NamedEntry]:
        """Return lines of timelines as they are answered: with the products in what changes.

        Raises:
            ApiError: 503; the database is away.
        """
        names = await self.of(
            {one for line in lines for one in products_in(line.entry, line.business_id)}
        )
        return [named_entry(line.entry, line.business_id, names) for line in lines]

    def _keep(self, told: dict[Product, _Kept]) -> None:
        if len(self._kept) + len(told) > KEPT_MAX:
            self._kept.clear()
        self._kept |= told
