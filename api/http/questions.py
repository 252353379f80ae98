"""What operations are asked by: a struct each, of the parts of its path and of its query.

Most fields are the same for many; they are declared here, once, and inherited.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, TypeVar, cast

import msgspec
from msgspec import Meta

from api.http.errors import InvalidParameterError
from api.http.parameters import Instant, Position, between

AnyQuery = TypeVar("AnyQuery", bound="Query")
Key = TypeVar("Key")

LIMIT_MAX: Final = 100
LIMIT_DEFAULT: Final = 50
Limit = Annotated[int, between(1, LIMIT_MAX), Meta(description="How many items a page has.")]


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operation takes; this one takes nothing. What may be absent is then None."""

    def given(self, *names: str) -> dict[str, object]:
        """Return the values of these fields, by name, of those that were asked with."""
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}


class Fresh(Query, frozen=True, kw_only=True):
    """Asks the read models, which may have to catch up first."""

    min_position: Annotated[
        Position | None,
        Meta(description="Wait until the read models show the log up to here, 5 s at the most."),
    ] = None


class Past(Fresh, frozen=True, kw_only=True):
    """Asks for what is true, or for what was and was known at times that have come.

    Raises:
        InvalidParameterError: a time lies in the future.
    """

    as_of: Annotated[
        Instant | None,
        Meta(description="As it was true at this time, by what has been recorded since."),
    ] = None
    known_at: Annotated[
        Instant | None, Meta(description="From nothing but what had been recorded by this time.")
    ] = None

    def __post_init__(self) -> None:
        if self.as_of is not None:
            _refuse_future("as_of", self.as_of)
        if self.known_at is not None:
            _refuse_future("known_at", self.known_at)

    @property
    def asks_past(self) -> bool:
        """Whether it is the past that it asks for."""
        return self.as_of is not None or self.known_at is not None


def _refuse_future(name: str, moment: datetime) -> None:
    if moment > datetime.now(UTC):
        raise InvalidParameterError(name, "must not lie in the future")


class Paged(Query, Generic[Key], frozen=True, kw_only=True):
    """Asks for a page of a list. Which cursors it takes, each list says for itself."""

    limit: Limit = LIMIT_DEFAULT
    cursor: Key | None = None


class PastPage(Past, Generic[Key], frozen=True, kw_only=True):
    """Asks for a page of a list of the past; a struct has one base only, so also `Paged`'s."""

    limit: Limit = LIMIT_DEFAULT
    cursor: Key | None = None


def narrowed(base: type[AnyQuery], name: str, **types: Any) -> type[AnyQuery]:  # noqa: ANN401
    """Return a query in which these fields have narrower types, or which has these, too.

    A field of the base keeps its default; a new one may be absent.
    """
    defaults = {field.name: field.default for field in msgspec.structs.fields(base)}
    fields = [
        (field, type_)
        if (default := defaults.get(field)) is msgspec.NODEFAULT
        else (field, type_, default)
        for field, type_ in types.items()
    ]
    made = msgspec.defstruct(
        name, fields, bases=(base,), module=base.__module__, frozen=True, kw_only=True
    )
    return cast("type[AnyQuery]", made)
