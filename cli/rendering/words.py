"""How times, amounts, states and what is odd about them are written."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, Final

from domain.money import decimal_text
from domain.state_machine import Verdict
from domain.timeline import is_valid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from api.answers.named import NamedEntry
    from domain.aggregates.subscription import SubscriptionEntity
    from domain.entity import Drift, Entity
    from domain.lateness import Stretch
    from domain.timeline import Entry

NOTHING: Final = "–"
_UNITS_S: Final = {"days": 86_400, "h": 3_600, "min": 60}


def plain(text: str) -> str:
    """Return one line that can do nothing to a terminal."""
    line = " ".join(text.split())
    return line if line.isprintable() else "".join(c if c.isprintable() else "�" for c in line)


def counted(count: int, what: str) -> str:
    """Write how many there are."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def moment(at: datetime | None) -> str:
    """Write an instant to the second."""
    return NOTHING if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def day(at: datetime | None) -> str:
    """Write a date."""
    return NOTHING if at is None else f"{at:%Y-%m-%d}"


def past(as_of: datetime | None, known_at: datetime | None) -> str:
    """Tell which past an answer is of; nothing for the present."""
    asked = {"as of": as_of, "as known at": known_at}
    return "".join(
        f", {name} {at.isoformat().replace('+00:00', 'Z')}" for name, at in asked.items() if at
    )


def money(amount_minor: int | None, currency: str | None) -> str:
    """Write an amount in major units; without its currency, it is in minor units still."""
    if amount_minor is None:
        return ""
    if currency is None:
        return f"{amount_minor} in minor units"
    return f"{decimal_text(amount_minor, currency)} {currency}"


def amount(entity: Entity) -> str:
    """Write the amount that an object is about; nothing where it has none."""
    names = ("recurring_pre_tax_amount", "total_amount", "amount", "price")
    values = (getattr(entity, name, None) for name in names)
    known = next((value for value in values if value is not None), None)
    return money(known, getattr(entity, "currency", None))


def price(subscription: SubscriptionEntity) -> str:
    """Write what a subscription costs, and how often."""
    cost, count = amount(subscription), subscription.payment_frequency_count
    return (
        f"{cost} {often(count, subscription.payment_frequency_interval)}".rstrip() if cost else ""
    )


def often(count: int | None, interval: str | None) -> str:
    """Write how often a period begins: once every so many intervals."""
    if interval is None:
        return ""
    unit = interval.lower()
    return f"a {unit}" if count in {None, 1} else f"every {count} {unit}s"


def product(product_id: str | None, name: str | None) -> str:
    """Write a product: what it is called, and its id; nothing where there is none."""
    return f"{name} ({product_id})" if product_id and name else product_id or ""


def products(product_ids: Sequence[str], names: Sequence[str | None]) -> str:
    """Write several; there may be fewer names than ids."""
    return ", ".join(map(product, product_ids, chain(names, repeat(None))))


def products_of(entity: object) -> str:
    """Write the products that an object names."""
    ids, names = getattr(entity, "product_ids", ()), getattr(entity, "product_names", ())
    one = product(getattr(entity, "product_id", None), getattr(entity, "product_name", None))
    return one or products(ids, names)


def duration(seconds: int) -> str:
    """Write a duration in the largest unit that it has two of, or in seconds."""
    units = ((name, seconds // size) for name, size in _UNITS_S.items())
    return next((f"{count} {name}" for name, count in units if count >= 2), f"{seconds} s")


def change(entry: Entry) -> str:
    """Write what a fact, or a look, did to the state."""
    if entry.verdict is Verdict.APPLIED or (entry.verdict is None and entry.from_ != entry.to):
        return f"{entry.from_ or NOTHING} → {entry.to}"
    return f"stays {entry.to}" if entry.to else NOTHING


def afterwards(stretch: Stretch) -> str:
    """Tell of a stretch that was recorded afterwards."""
    begun, ended = moment(stretch.recorded_from), moment(stretch.recorded_to)
    when = f"at {begun}" if begun == ended else f"between {begun} and {ended}"
    first, last = moment(stretch.occurred_from), moment(stretch.occurred_to)
    of = f"of {first}" if first == last else f"from {first} to {last}"
    later = ", when later ones were known already" if stretch.out_of_order else ""
    return f"recorded afterwards in one stretch: {stretch.facts} facts {of}, {when}{later}"


def remarks(entry: NamedEntry, late_s: int | None) -> str:
    """Tell what is odd about a fact, which may have come late by itself; what a look found."""
    told = [
        "" if late_s is None else f"arrived {duration(late_s)} late",
        "something before it was never seen" if entry.gap and entry.verdict else "",
        "" if is_valid(entry) else f"{entry.verdict}: {entry.reason}",
        (entry.reason or "") if entry.verdict is None else "",
        *(
            f"{one.field}: {_value(one.from_, one.from_product_name)}"
            f" → {_value(one.to, one.to_product_name)}"
            for one in entry.changes
        ),
    ]
    return "; ".join(filter(None, told))


def _value(value: object, product_name: str | None) -> str:
    return NOTHING if value is None else product(str(value), product_name)


def oddities(entity: Entity) -> str:
    """Tell in short what is odd about an object."""
    told = [
        f"drift: Dodo last said {_stands(*_observed(entity.drift))}" if entity.drift else "",
        "" if entity.history == "complete" else f"history is {entity.history}",
        f"{counted(entity.refused, 'fact')} refused" if entity.refused else "",
        "Dodo does not have it any more" if entity.missing_since else "",
        getattr(entity, "anomaly", None) or "",
    ]
    return "; ".join(filter(None, told))


def drifted(drift: Drift) -> str:
    """Tell how the last observation and the facts differ."""
    observed, folded = _stands(*_observed(drift)), _stands(drift.folded, drift.folded_stage)
    return (
        f"drift: Dodo last said {observed} ({drift.webhook_id} of {moment(drift.observed_at)}),"
        f" while the facts lead to {folded}: a webhook is in flight, or lost"
    )


def _observed(drift: Drift) -> tuple[str, str | None]:
    return drift.observed, drift.observed_stage


def _stands(status: str | None, stage: str | None) -> str:
    return f"{status or 'no state'} at stage {stage}" if stage else status or "no state"
