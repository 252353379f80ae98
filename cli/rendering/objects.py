"""A list of objects as a table, and one with all that is known of it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import msgspec

from cli.rendering.tables import show_fields, show_line, show_table
from cli.rendering.words import (
    NOTHING,
    amount,
    counted,
    drifted,
    moment,
    money,
    oddities,
    products_of,
)
from domain.aggregates.catalogue import KINDS
from domain.aggregates.product import ProductEntity
from domain.entity import spoken
from domain.money import AMOUNTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from domain.entity import Entity

_HEADS: Final = (
    "id", "status", "customer", "product", "payment", "amount", "since (UTC)", "of note",
)  # fmt: skip
_SAID_APART: Final = frozenset({"drift", "anomaly", "product_name", "product_names"})
_HISTORIES: Final = {
    "partial": "a webhook that must have come before was never seen",
    "settled": "webhooks were never seen; Dodo's API has said since what they led to",
}


def show_objects(console: Console, objects: Sequence[Entity]) -> None:
    """Print a list of objects, a row each."""
    show_table(console, _HEADS, [_row(entity) for entity in objects])


def show_object(console: Console, entity: Entity, past: str) -> None:
    """Print what is known about an object, and what is odd about it."""
    kind = kind_of(entity)
    show_line(console, f"{spoken(kind)} {id_of(entity)}{past}")
    show_fields(console, list(_fields(entity)))
    for line in _warnings(entity):
        show_line(console, f"! {line}")


def kind_of(entity: Entity) -> str:
    """Return the name of an object's kind."""
    return next(name for name, kind in KINDS.items() if isinstance(entity, kind.entity))


def id_of(entity: Entity) -> str:
    """Return an object's id."""
    found: str = getattr(entity, KINDS[kind_of(entity)].id_field)
    return found


def _row(entity: Entity) -> tuple[str, ...]:
    payment_id = getattr(entity, "payment_id", None)
    return (
        id_of(entity),
        entity.status or NOTHING,
        entity.customer_id or NOTHING,
        entity.name or "" if isinstance(entity, ProductEntity) else products_of(entity),
        payment_id if payment_id and payment_id != id_of(entity) else "",
        amount(entity),
        moment(entity.created_at),
        oddities(entity),
    )


def _fields(entity: Entity) -> Iterator[tuple[str, str]]:
    for name in entity.__struct_fields__:
        value = getattr(entity, name)
        if value not in (None, (), {}) and name not in _SAID_APART:
            yield name, _written(entity, name, value)


def _written(entity: Entity, name: str, value: object) -> str:
    if name in {"product_id", "product_ids"}:
        return products_of(entity)
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    if name in AMOUNTS and isinstance(value, int):
        return money(value, getattr(entity, AMOUNTS[name]))
    if isinstance(value, str | Decimal):
        return str(value)
    return msgspec.json.encode(value).decode()


def _warnings(entity: Entity) -> Iterator[str]:
    if entity.drift is not None:
        yield drifted(entity.drift)
    if entity.history != "complete":
        yield f"history is {entity.history}: {_HISTORIES[entity.history]}"
    if entity.refused:
        settled = f" ({entity.settled} before Dodo's API said what is so)" if entity.settled else ""
        yield (
            f"{counted(entity.refused, 'fact')} refused{settled}: its timeline says which, and why"
        )
    if entity.missing_since is not None:
        yield f"Dodo has not had it since {moment(entity.missing_since)}"
    if (anomaly := getattr(entity, "anomaly", None)) is not None:
        yield anomaly
