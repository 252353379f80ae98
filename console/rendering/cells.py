"""The fields of what is answered, each as it is shown: as an amount, a time, a link, a state."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from console.rendering.words import kind_named_by, money
from domain.aggregates.catalogue import KINDS
from domain.entity import spoken
from domain.money import AMOUNTS as OF_OBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

AMOUNTS: Final[Mapping[str, str]] = {
    **OF_OBJECTS,
    "mrr": "currency",
    "arr": "currency",
    "gross": "settlement_currency",
    "net": "settlement_currency",
}
"""The fields in minor units, each with the field that tells the currency."""
STATES: Final = frozenset({"status", "folded_status", "observed_status", "dispute_status"})
LABELS: Final[Mapping[str, str]] = {
    "recurring_pre_tax_amount": "price",
    "total_amount": "amount",
    "created_at_gte": "created from",
    "created_at_lte": "created to",
    "credit_entitlement_name": "credits",
    "dispute_stage": "stage",
    "next_billing_date": "next billing",
    "active_subscriptions": "active",
    "recovered_payment_id": "recovered by",
    "email": "e-mail",
    "confirmed": "what you typed",
    "mrr": "MRR",
    "arr": "ARR",
}
"""What fields are called where there is a shorter or plainer name than their own."""
_KIND_OF: Final[Mapping[type, str]] = {kind.entity: name for name, kind in KINDS.items()}
_SUFFIX: Final = re.compile("_(at|ids?)$")
NAMED_BESIDE: Final = {"product_id": "product_name", "product_ids": "product_names"}
"""The fields that name products, each with the field that has what they are called."""


class Link(NamedTuple):
    """What leads to a thing: its kind, its id, and what it is called where that is known."""

    kind: str
    id: str
    text: str


class Cell(NamedTuple):
    """A value as it is shown. `sort` tells the macro `cell` how; the others are what it takes."""

    name: str
    sort: str
    text: str = ""
    at: datetime | None = None
    kind: str = ""
    links: tuple[Link, ...] = ()

    @property
    def label(self) -> str:
        """What the field is called."""
        return label_of(self.name)

    @property
    def is_number(self) -> bool:
        """Whether it is compared digit by digit."""
        return self.sort in {"amount", "number"} or self.name in AMOUNTS


def label_of(name: str) -> str:
    """Return what a field is called."""
    return LABELS.get(name) or spoken(_SUFFIX.sub("", name))


def cells_of(answer: object, names: Iterable[str]) -> list[Cell]:
    """Return the fields of these names as they are shown."""
    return [cell_of(answer, name) for name in names]


def cell_of(answer: object, name: str) -> Cell:
    """Return one field as it is shown."""
    value = getattr(answer, name)
    if value is None or value in ((), {}, []):
        return Cell(name, "nothing")
    if name in AMOUNTS and isinstance(value, int):
        return Cell(name, "amount", money(value, getattr(answer, AMOUNTS[name])))
    if name in STATES:
        return Cell(name, "state", str(value), kind=_kind_of(answer))
    kind = kind_named_by(name.removesuffix("s"))
    if kind is not None:
        return Cell(name, "links", links=_links(answer, name, kind))
    return _plain(name, value)


def _kind_of(answer: object) -> str:
    """Return the kind of what is answered; nothing where it is none of the things of Dodo's."""
    return next((_KIND_OF[type_] for type_ in type(answer).__mro__ if type_ in _KIND_OF), "")


def _plain(name: str, value: object) -> Cell:
    if isinstance(value, datetime):
        return Cell(name, "time", at=value)
    if isinstance(value, bool):
        return Cell(name, "text", "yes" if value else "no")
    if isinstance(value, int | Decimal):
        return Cell(name, "number", f"{value:,}")
    if isinstance(value, tuple | list) and all(isinstance(item, str) for item in value):
        return Cell(name, "text", ", ".join(value))
    if isinstance(value, msgspec.Struct | dict | list | tuple):
        written = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
        return Cell(name, "json", written)
    return Cell(name, "id" if name == "id" or name.endswith("_id") else "text", str(value))


def _links(answer: object, name: str, kind: str) -> tuple[Link, ...]:
    value = getattr(answer, name)
    ids = tuple(value) if isinstance(value, tuple | list) else (value,)
    called = getattr(answer, NAMED_BESIDE.get(name, ""), None)
    names = called if isinstance(called, tuple) else (called,)
    told = (*names, *(None for _ in ids))
    return tuple(Link(kind, id_, called or id_) for id_, called in zip(ids, told, strict=False))
