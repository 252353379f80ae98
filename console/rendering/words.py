"""How times, amounts, names and states are written for who reads a page."""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from domain.aggregates.catalogue import KINDS, STREAMS
from domain.lateness import DELAY_MAX
from domain.money import decimal_text
from domain.stream_id import parts_of, stream_id
from projections.read_models.catalogue import LISTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from domain.timeline import Entry

RESOURCES: Final[dict[str, str]] = {
    **{listing.kind: resource for resource, listing in LISTINGS.items()},
    **{resource: resource for resource in LISTINGS},
    "customer": "customers",
    "customers": "customers",
    "event": "events",
    "events": "events",
}
"""The name of the list that a kind of thing is in, by that name, too."""
_IDS: Final = {
    "id": None,
    "brand_id": None,
    "business_id": None,
    "webhook_id": "event",
    "recovered_payment_id": "payment",
}
_UNITS_S: Final = {
    "year": 31_556_952,
    "month": 2_629_746,
    "day": 86_400,
    "hour": 3_600,
    "minute": 60,
}


def money(amount_minor: int | None, currency: str | None) -> str:
    """Write an amount in major units with its currency; without one, in minor units."""
    if amount_minor is None:
        return ""
    if currency is None:
        return f"{amount_minor} in minor units"
    whole, point, decimals = decimal_text(amount_minor, currency).partition(".")
    sign, digits = ("−", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}{point}{decimals}\N{NO-BREAK SPACE}{currency}"


def units(amount_minor: int, currency: str | None) -> str:
    """Write an amount in major units for a program to read; without a currency, in minor units."""
    return str(amount_minor) if currency is None else decimal_text(amount_minor, currency)


def count(number: int) -> str:
    """Write how many there are."""
    return f"{number:,}"


def size(number_bytes: int) -> str:
    """Write how much room something takes, in units of 1,024."""
    rest = float(number_bytes)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if rest < 1_024:
            return f"{rest:,.0f}\N{NO-BREAK SPACE}{unit}"
        rest /= 1_024
    return f"{rest:,.1f}\N{NO-BREAK SPACE}TiB"


def span(seconds: float) -> str:
    """Write how long something took."""
    if seconds < 60:
        return f"{seconds:.1f}\N{NO-BREAK SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def when(at: datetime | None) -> Markup:
    """Write an instant to the minute in UTC; its tooltip has it exactly."""
    return _time(at, f"{at.astimezone(UTC):%Y-%m-%d %H:%M}" if at else "")


def day(at: datetime | None) -> Markup:
    """Write the date of an instant in UTC; its tooltip has it exactly."""
    return _time(at, f"{at.astimezone(UTC):%Y-%m-%d}" if at else "")


def ago(at: datetime | None) -> Markup:
    """Write how long ago an instant is, or in how long it comes; its tooltip has it exactly."""
    if at is None:
        return Markup("")
    seconds = (datetime.now(UTC) - at).total_seconds()
    known = ((unit, int(abs(seconds) // size)) for unit, size in _UNITS_S.items())
    spelled = next((f"{n} {unit}{'s' * (n > 1)}" for unit, n in known if n), "a moment")
    return _time(at, f"in {spelled}" if seconds < 0 else f"{spelled} ago")


def _time(at: datetime | None, text: str) -> Markup:
    if at is None:
        return Markup("")
    exact = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    # Neither has anything to escape; `format` would look for it, in each cell of a list.
    return Markup(f'<time datetime="{exact}" title="{exact}">{text}</time>')  # noqa: S704


def field_time(at: datetime | None) -> str:
    """Write an instant as a form's field for times has it, in UTC."""
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def sentence(text: str) -> str:
    """Write what the API says of an error as a sentence of its own."""
    return text[:1].upper() + text[1:].rstrip(".") + "."


def is_late(entry: Entry) -> bool:
    """Tell whether a fact was recorded later than Dodo delivers."""
    return entry.occurred_at is not None and entry.recorded_at - entry.occurred_at > DELAY_MAX


def path_of(kind: str, id_: str) -> str:
    """Return the path of the page of one thing, by its kind or the name of their list.

    Raises:
        KeyError: there are no pages of such things.
    """
    return f"/{RESOURCES[kind]}/{quote(id_, safe='')}"


def page_of(request: str) -> str:
    """Return the page about what a request of the API's lists, as answers name such requests."""
    return request.removeprefix("/v1")


class About(NamedTuple):
    """What a stream is about: its kind, what it is called, and the page that leads to it.

    `path` is None where there is no such page.
    """

    kind: str
    name: str
    path: str | None
    filters: Mapping[str, str] = MappingProxyType({})


def about(aggregate_id: str) -> About:
    """Return what a stream is about; the attempts of a dunning have a list of them."""
    kind, *_, name = parts = parts_of(aggregate_id)
    if kind == "dunning":
        return About(kind, name, "/dunnings", {"subscription_id": name})
    if kind not in STREAMS or kind not in RESOURCES:
        return About(kind, name, None)
    id_ = stream_id(*parts[2:]) if KINDS[kind].named_by else name
    return About(kind, id_, path_of(kind, id_))


def kind_named_by(field: str) -> str | None:
    """Return the kind of thing that a field names by its id; None where it names none."""
    if field in _IDS:
        return _IDS[field]
    kind = field.removesuffix("_id")
    return kind if kind != field and kind in RESOURCES else None
