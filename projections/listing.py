"""Listings: what the five lists of entities share: columns, filters, order and cursor."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, Generic, NamedTuple, TypeVar, cast

import msgspec

from domain.aggregates.catalogue import KINDS
from domain.entity import Entity
from postgres.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AnyEntity = TypeVar("AnyEntity", bound=Entity)

# What PostgreSQL can compare with, for the keys of lists that come back in cursors.
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
BigInt = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
StorableText = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*\Z")]

COMMON_FILTERS: Final[Mapping[str, str]] = {
    "business_id": "t.business_id = %(business_id)s",
    "status": "t.status = %(status)s",
    "customer_id": "t.customer_id = %(customer_id)s",
    "created_at_gte": "t.created_at >= %(created_at_gte)s",
    "created_at_lte": "t.created_at <= %(created_at_lte)s",
}
"""The conditions that a query's parameters stand for; `t` is the read model's table."""


class Listed(NamedTuple, Generic[AnyEntity]):
    """An entity with its place in the list, which is its cursor."""

    first_position: int
    entity: AnyEntity


@dataclass(frozen=True)
class Listing(Generic[AnyEntity]):
    """The list of one kind of entity, newest first seen first.

    `filters` are added to the common ones and replace them by name; in them `as_of` is the instant
    that is asked about, NULL for now. `joins` adds other tables
    to `t`; `columns` gives the expression of each field that is not a column of `t`.
    """

    resource: str
    entity: type[AnyEntity]
    id_field: str
    filters: Mapping[str, str]
    joins: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    _select: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "filters", {**COMMON_FILTERS, **self.filters})
        names = self.entity.__struct_fields__
        wanted = ", ".join(self.columns.get(name, f"t.{name}") for name in names)
        source = f"{self.resource} AS t {self.joins}".rstrip()
        select = f"SELECT t.first_position, {wanted} FROM {source}"  # noqa: S608 -- names
        object.__setattr__(self, "_select", select)

    @property
    def kind(self) -> str:
        """The name of the kind that is listed."""
        return next(name for name, kind in KINDS.items() if kind.entity is self.entity)

    def page(self, given: Mapping[str, object], *, before: int | None, limit: int) -> Statement:
        """Select what meets all the filters `given`, after the cursor `before`.

        An entity keeps its place when it changes, so no page repeats or misses one that was
        there when the first page was read.

        Raises:
            KeyError: there is no such filter.
        """
        conditions = [self.filters[name] for name in given]
        if before is not None:
            conditions.append("t.first_position < %(before)s")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return Statement(
            f"{self._select}{where} ORDER BY t.first_position DESC LIMIT %(limit)s",
            {**given, "as_of": None, "before": before, "limit": limit},
        )

    def one(self, entity_id: str) -> Statement:
        """Select the entity with an id: the one first seen, should two tenants share the id."""
        where = f" WHERE t.{self.id_field} = %(id)s"
        return Statement(
            f"{self._select}{where} ORDER BY t.first_position LIMIT 1", {"id": entity_id}
        )

    def read(self, row: Sequence[object]) -> Listed[AnyEntity]:
        """Read a row of `page` or `one`; its times are in the connection's time zone."""
        first_position, *values = row
        fields = dict(zip(self.entity.__struct_fields__, values, strict=True))
        return Listed(cast("int", first_position), msgspec.convert(fields, self.entity))
