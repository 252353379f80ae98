"""The fields of `data` that a kind of thing is read from, decoded straight into a struct.

A body whose fields have the shapes that Dodo documents is decoded once, and what nobody reads is
skipped. Any other is decoded into a dict and read field by field: what cannot be used counts as
absent. Both ways lead to the same values once the fields' readers have read them, and neither
holds more of a body than the readers would take.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, TypeAlias, TypeVar, cast

import msgspec

from domain.delivery import ID_CHARS_MAX, as_utc, read_envelope
from domain.field_readers import (
    INT64_MAX,
    ITEMS_MAX,
    KEY_CHARS_MAX,
    PAIRS_MAX,
    TEXT_CHARS_MAX,
    declared_type,
    identities,
    identity,
    instant,
    integer,
    metadata,
    reader_of,
    struct_of,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Id: TypeAlias = Annotated[str, msgspec.Meta(max_length=ID_CHARS_MAX)]
Ids: TypeAlias = Annotated[tuple[Id, ...], msgspec.Meta(max_length=ITEMS_MAX)]
Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=TEXT_CHARS_MAX)]
Integer: TypeAlias = (
    Annotated[int, msgspec.Meta(ge=-INT64_MAX, le=INT64_MAX)]
    | Annotated[str, msgspec.Meta(max_length=20)]
)
"""An integer, also written as text: a dispute's amount is."""
Metadata: TypeAlias = Annotated[
    Mapping[
        Annotated[str, msgspec.Meta(max_length=KEY_CHARS_MAX)],
        Annotated[str, msgspec.Meta(max_length=TEXT_CHARS_MAX)]
        | Annotated[int, msgspec.Meta(ge=-INT64_MAX, le=INT64_MAX)]
        | float
        | bool,
    ],
    msgspec.Meta(max_length=PAIRS_MAX),
]
"""A merchant's own pairs (docs.dodopayments.com/api-reference/metadata)."""


class Customer(msgspec.Struct, frozen=True, gc=False):
    """Who pays, as a body says it."""

    customer_id: Id | None = None
    email: Text | None = None
    name: Text | None = None
    phone_number: Text | None = None
    metadata: Metadata | None = None


class CartLine(msgspec.Struct, frozen=True, gc=False):
    """A line of a payment's cart."""

    product_id: Id | None = None
    quantity: Integer | None = None


class Payload(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What `data` says, as it stands there; each kind adds the fields of its own.

    Of any field that is missing, null or unusable the value is None. `data` may tie a thing to
    others in more than one way: see `LINKS`.
    """

    created_at: datetime | None = None
    customer: Customer | None = None
    metadata: Metadata | None = None
    customer_id: Id | None = None
    payment_id: Id | None = None
    subscription_id: Id | None = None
    subscription_ids: Ids | None = None
    product_cart: Annotated[tuple[CartLine, ...], msgspec.Meta(max_length=ITEMS_MAX)] | None = None


T = TypeVar("T", bound=Payload)


class _Told(msgspec.Struct, Generic[T]):
    timestamp: datetime
    data: T


_WIRE: Final[Mapping[object, object]] = {
    str: Text | None,
    int: Integer | None,
    bool: bool | None,
    datetime: datetime | None,
    tuple[str, ...]: Ids | None,
    Decimal: msgspec.Raw,
}
"""How a declared type may stand in a body that is decoded at once.

Decimals and structures are left as they stand there until somebody asks for them: most bodies are
never asked, since fields are read from the newest one.
"""


def _wire(declared: object) -> object:
    return msgspec.Raw if struct_of(declared) is not None else _WIRE[declared]


class _Left(msgspec.Struct):
    data: dict[str, msgspec.Raw]


_decode_left = msgspec.json.Decoder(_Left).decode


def _customer(value: object) -> Customer | None:
    if not isinstance(value, dict):
        return None
    return Customer(
        identity(value.get("customer_id")),
        text(value.get("email")),
        text(value.get("name")),
        text(value.get("phone_number")),
        _pairs(value.get("metadata")),
    )


def _pairs(value: object) -> Metadata | None:
    return metadata(value) if isinstance(value, dict) else None


def _cart(value: object) -> tuple[CartLine, ...] | None:
    if not isinstance(value, list):
        return None
    lines = [line for line in value if isinstance(line, dict)]
    return tuple(
        CartLine(identity(line.get("product_id")), integer(line.get("quantity")))
        for line in lines[:ITEMS_MAX]
    )


_READERS: Final[Mapping[str, Callable[[object], object]]] = {
    "created_at": instant,
    "customer": _customer,
    "metadata": _pairs,
    "customer_id": identity,
    "payment_id": identity,
    "subscription_id": identity,
    "subscription_ids": identities,
    "product_cart": _cart,
}
"""How the fields of every payload are read where a body does not fit."""


class PayloadReader:
    """Reads the bodies about one kind of thing: the fields that its entity declares."""

    def __init__(self, kind: str, fields: Mapping[str, object]) -> None:
        """Take the fields, each with its declared type, that `data` may have beyond the links."""
        own = {name: declared for name, declared in fields.items() if name not in _READERS}
        wire = [(name, _wire(declared_type(own[name])), None) for name in own]
        self._left = frozenset(name for name, type_, _ in wire if type_ is msgspec.Raw)
        payload = msgspec.defstruct(
            f"{kind}_payload",
            wire,
            bases=(Payload,),
            frozen=True,
            kw_only=True,
            gc=False,
            omit_defaults=True,  # so that what is not said is not written, either
        )
        self.of_type = cast("type[Payload]", payload)
        self._make = cast("Callable[..., Payload]", payload)
        decoder: Any = msgspec.json.Decoder(_Told[payload])  # type: ignore[valid-type]
        self._decode: Callable[[bytes], _Told[Payload]] = decoder.decode
        at_once = {name: reader_of(name, own[name]) for name in own if name not in self._left}
        self._readers = {**at_once, **_READERS}

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of `data` that are read."""
        return (*self._readers, *self._left)

    def read(self, body: bytes) -> tuple[datetime, Payload]:
        """Return when it is said to have happened, in UTC, and the payload.

        Raises:
            UnreadableError: the body does not say what a delivery must say.
        """
        try:
            told = self._decode(body)
            return as_utc(told.timestamp), told.data
        except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError):
            return self.read_leniently(body)

    def read_leniently(self, body: bytes) -> tuple[datetime, Payload]:
        """Return the same of any body, field by field.

        Raises:
            UnreadableError: the body does not say what a delivery must say.
        """
        envelope = read_envelope(body)
        data = envelope.data
        fields = {name: read(data.get(name)) for name, read in self._readers.items()}
        left = _decode_left(body).data if self._left else {}
        fields |= {name: left.get(name) for name in self._left}
        return envelope.timestamp, self._make(**fields)


def links_of(data: Mapping[str, object]) -> Payload:
    """Read what the `data` of any body ties to others, field by field."""
    return Payload(**{name: read(data.get(name)) for name, read in _READERS.items()})  # type: ignore[arg-type]  # each reads its own field


def _customer_id(payload: Payload) -> str | None:
    nested = payload.customer.customer_id if payload.customer else None
    return identity(nested) or identity(payload.customer_id)


def _subscription_id(payload: Payload) -> str | None:
    return identity(payload.subscription_id) or next(
        iter(identities(payload.subscription_ids)), None
    )


def _payment_id(payload: Payload) -> str | None:
    return identity(payload.payment_id)


LINKS: Final[Mapping[str, Callable[[Payload], str | None]]] = {
    "customer_id": _customer_id,
    "subscription_id": _subscription_id,
    "payment_id": _payment_id,
}
"""The ids that tie a thing to others, each with how it is read wherever Dodo writes it."""
LINKED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "customer_id": ("customer", "customer_id"),
    "payment_id": ("payment_id",),
    "subscription_id": ("subscription_id", "subscription_ids"),
}
"""The links, each with the fields of `data` that may say it."""
