"""What reports of revenue are asked by: a range of days, weeks or months, a currency, a product."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias
from urllib.parse import urlencode

from msgspec import Meta

from api.http.errors import InvalidParameterError
from api.http.parameters import Text, one_of
from api.http.questions import Past
from domain.revenue.calendar import FIRST, LAST, SIZES, Size, Span, months_before, spans

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.queries.read_side import ReadSide

PERIODS_MAX: Final = 400
CELLS_MAX: Final = 20_000
"""So many figures' rows, periods times currencies or products, are told at the most."""
_DEFAULT: Final = {"month": 11, "week": 11 * 7, "day": 29}

Day = Annotated[
    date,
    Meta(extra={"must": f"must be a day from {FIRST} to {LAST}, such as 2026-01-31"}),
]
"""Read in UTC."""


By: TypeAlias = Literal["currency", "product"]
ByWhat = Annotated[
    By,
    one_of(("currency", "product")),
    Meta(description="By currency, or by product within it."),
]
Product = Annotated[Text | None, Meta(description="Only of this product.")]
CONVERTED: Final = "Amounts in one currency, converted by your rates ([rates] in raphus.toml)."


class Narrowed(Past, frozen=True, kw_only=True):
    """Asks about one business or currency, where they are given.

    Raises:
        InvalidParameterError: a day lies too far from today.
    """

    currency: Annotated[Text | None, Meta(description="Only in this currency.")] = None
    business_id: Annotated[Text | None, Meta(description="Only of this business.")] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.__struct_fields__:
            day = getattr(self, name)
            if type(day) is date and not FIRST <= day <= LAST:
                raise InvalidParameterError(name, f"must be a day from {FIRST} to {LAST}")

    @property
    def at(self) -> datetime:
        """The instant by which something counts: the one that is asked about, or now."""
        return self.as_of or datetime.now(UTC)


class DaysQuery(Narrowed, frozen=True, kw_only=True):
    """Asks for what happened on some days."""

    start: Annotated[Day | None, Meta(description="From this day on. By default that of end.")] = (
        None
    )
    end: Annotated[
        Day | None, Meta(description="Up to this day, in UTC. By default that of as_of, or today.")
    ] = None

    def instants(self, at: datetime) -> tuple[datetime, datetime]:
        """Return the first instant that is asked about, and the first behind them.

        Raises:
            InvalidParameterError: the days are no range.
        """
        return instants(self.start, self.end or at.date())


def instants(
    start: date | None, end: date, names: tuple[str, str] = ("start", "end")
) -> tuple[datetime, datetime]:
    """Return the first instant of days, by default of the last one alone, and the first behind.

    Raises:
        InvalidParameterError: it is none; the parameters have these names.
    """
    first = start or end
    if first > end:
        raise InvalidParameterError(names[0], f"must not lie behind {names[1]}")
    return _midnight(first), _midnight(end) + timedelta(days=1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


class RangeQuery(Narrowed, frozen=True, kw_only=True):
    """Asks about a range of days, period by period."""

    start: Annotated[
        Day | None,
        Meta(
            description="The first day; that of a period begins it. By default a year of months,"
            " 12 weeks or 30 days are told."
        ),
    ] = None
    end: Annotated[
        Day | None, Meta(description="The last day, in UTC. By default that of as_of, or today.")
    ] = None
    period: Annotated[
        Size, one_of(SIZES), Meta(description="By what it is told; a week begins on Monday.")
    ] = "month"

    def spans(self, at: datetime) -> list[Span]:
        """Return the periods that are asked for, as far as they have begun by an instant.

        Raises:
            InvalidParameterError: there are none, or too many.
        """
        end = min(self.end or at.date(), at.date())
        start = self.start or _begin(end, self.period)
        if self.end is not None and start > self.end:
            raise InvalidParameterError("start", "must not lie behind end")
        if start > at.date():
            told = (
                "must not lie in the future" if self.as_of is None else "must not lie behind as_of"
            )
            raise InvalidParameterError("start", told)
        found = spans(start, end, self.period, PERIODS_MAX)
        if len(found) > PERIODS_MAX:
            told = f"lies too far back: {PERIODS_MAX} periods are told at the most"
            raise InvalidParameterError("start", told)
        return found


def _begin(end: date, period: Size) -> date:
    if period == "month":
        return months_before(end, _DEFAULT[period])
    return end - timedelta(days=_DEFAULT[period])


def businesses(read_side: ReadSide, query: Narrowed) -> tuple[str, ...]:
    """Return of which businesses alone it may be told, and is asked: of all of them at once."""
    return tuple(filter(None, (read_side.business_id, query.business_id)))


def link(path: str, **query: Any) -> str:  # noqa: ANN401 -- what is written as text
    """Return a request as a relative URL; what is None is left out."""
    return f"{path}?{_written(query)}"


def further(**query: Any) -> str:  # noqa: ANN401 -- what is written as text
    """Return what goes behind a request that asks by something: what many requests have alike."""
    written = _written(query)
    return f"&{written}" if written else ""


def _written(query: Mapping[str, object]) -> str:
    return urlencode({name: _text(value) for name, value in query.items() if value is not None})


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)


def last_instant(span: Span, at: datetime) -> datetime:
    """Return the instant at which a period ends, or has come to by an instant."""
    return min(at, span.end - timedelta(microseconds=1))
