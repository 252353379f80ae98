"""The lists of entities, one a kind: their columns, filters, order and cursor."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Final, Generic, NamedTuple, TypeVar, cast

import msgspec
from psycopg.types.json import Jsonb

from domain.aggregates.catalogue import KINDS
from domain.entity import Entity
from domain.periods import Period
from postgres.statement import Statement
from projections.bound import of_business

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AnyEntity = TypeVar("AnyEntity", bound=Entity)

# What PostgreSQL can compare with, for the keys of lists that come back in cursors.
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
BigInt = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
StorableText = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*\Z")]

_PERIODS: Final = frozenset({"stream_id", "valid", *Period.__struct_fields__})
"""The columns of the periods."""


class FilterError(ValueError):
    """A filter asks the periods for what they do not keep; `problem` goes on behind its `name`."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} {problem}")
        self.name = name
        self.problem = problem


@dataclass(frozen=True)
class Filter:
    """A condition on a list, by a value that is asked for under a name.

    Over HTTP and on the command line it is a parameter with this name, description and type: a
    text, true or false, a time, or texts by key. The value is `%(name)s` in the conditions, where
    texts by key are one `jsonb`, and `as_of` the instant that is asked about. `now` is the
    condition on the read model, `then` the one on its periods; both are `t`, and what a listing
    joins has its name. `then` is None where the periods do not keep what it would need: with
    `as_of`, the filter is refused. `then_with` are the common table expressions that `then` rests
    on.

    Raises:
        FilterError: `then` asks for a column that the periods do not have.
    """

    name: str
    type: type[str] | type[bool] | type[datetime] | type[dict[str, str]]
    description: str
    now: str
    then: str | None
    then_with: str = ""

    def __post_init__(self) -> None:
        missing = set(re.findall(r"\b[tp]\.(\w+)", self.then or "")) - _PERIODS
        if missing:
            columns = ", ".join(sorted(missing))
            problem = f"needs another `then`, or None: the periods do not keep {columns}"
            raise FilterError(self.name, problem)


def parameters(values: Mapping[str, object]) -> dict[str, object]:
    """Return the values of filters as PostgreSQL takes them: pairs are `jsonb`."""
    return {
        name: Jsonb(value) if isinstance(value, dict) else value for name, value in values.items()
    }


class Listed(NamedTuple, Generic[AnyEntity]):
    """An entity with its place in the list, which is its cursor."""

    first_position: int
    entity: AnyEntity


@dataclass(frozen=True)
class Listing(Generic[AnyEntity]):
    """The list of one kind of entity, newest first seen first.

    `filters` stand in the order in which they are documented; in their `now`, `as_of` is NULL.
    `joins` adds other tables to the read model's, `t`; `columns` gives the expression of each field
    that is not a column of `t`.
    """

    resource: str
    entity: type[AnyEntity]
    id_field: str
    filters: tuple[Filter, ...]
    joins: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def select(self) -> str:
        """Selects all entities: the place of each in the list, then its fields."""
        names = self.entity.__struct_fields__
        wanted = ", ".join(self.columns.get(name, f"t.{name}") for name in names)
        source = f"{self.resource} AS t {self.joins}".rstrip()
        return f"SELECT t.first_position, {wanted} FROM {source}"  # noqa: S608 -- names

    @cached_property
    def kind(self) -> str:
        """The name of the kind that is listed."""
        return next(name for name, kind in KINDS.items() if kind.entity is self.entity)

    def filters_of(self, values: Mapping[str, object]) -> list[Filter]:
        """Return the filters that values, by name, are asked by.

        Raises:
            KeyError: there is no such filter.
        """
        by_name = {filter_.name: filter_ for filter_ in self.filters}
        return [by_name[name] for name in values]

    def page(
        self,
        values: Mapping[str, object],
        *,
        before: int | None,
        limit: int,
        business_id: str | None = None,
    ) -> Statement:
        """Select what meets the filters for all these values, after the cursor `before`.

        Where a business is given, nothing of others is selected, whatever the filters ask.

        An entity keeps its place when it changes, so no page repeats or misses one that was
        there when the first page was read.

        Raises:
            KeyError: there is no such filter.
        """
        conditions = [filter_.now for filter_ in self.filters_of(values)]
        if before is not None:
            conditions.append("t.first_position < %(before)s")
        where = f" WHERE {' AND '.join(['true', *conditions])}{of_business('t', business_id)}"
        asked = {"as_of": None, "before": before, "limit": limit, "bound_to": business_id}
        return Statement(
            f"{self.select}{where} ORDER BY t.first_position DESC LIMIT %(limit)s",
            {**parameters(values), **asked},
        )

    def by_id(self, entity_id: str, business_id: str | None = None) -> Statement:
        """Select the entity with an id: the one first seen, should two tenants share the id."""
        where = f" WHERE t.{self.id_field} = %(id)s{of_business('t', business_id)}"
        return Statement(
            f"{self.select}{where} ORDER BY t.first_position LIMIT 1",
            {"id": entity_id, "bound_to": business_id},
        )

    def read(self, row: Sequence[object]) -> Listed[AnyEntity]:
        """Read a row of `page` or `by_id`; its times are in the connection's time zone."""
        first_position, *values = row
        fields = dict(zip(self.entity.__struct_fields__, values, strict=True))
        return Listed(cast("int", first_position), msgspec.convert(fields, self.entity))
