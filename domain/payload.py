"""The fields of `data` that a kind of thing is read from, decoded straight into a struct.

A body whose fields have the shapes that Dodo documents is decoded once, and what nobody reads is
skipped. Any other is decoded into a dict and read field by field: what cannot be used counts as
absent. Both ways lead to the same values once the fields' readers have read them, and neither
holds more of a body than the readers would take. Texts, ids and booleans have been read already, so
whoever asks for them takes them as they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Annotated, Any, Final, Generic, TypeAlias, TypeVar, cast

import msgspec

from domain.delivery import ID_CHARS_MAX, as_utc, read_envelope
from domain.field_readers import (
    INT64_MAX,
    ITEMS_MAX,
    KEY_CHARS_MAX,
    PAIRS_MAX,
    TEXT_CHARS_MAX,
    boolean,
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

Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=ID_CHARS_MAX)]
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


def _wire(name: str, declared: object) -> object:
    if struct_of(declared) is not None:
        return msgspec.Raw
    return Id | None if reader_of(name, declared) is identity else _WIRE[declared]


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


def _customer_again(customer: Customer) -> Customer:
    return _customer(msgspec.structs.asdict(customer)) or Customer()


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


def _cart_again(lines: tuple[CartLine, ...]) -> tuple[CartLine, ...]:
    return tuple(
        msgspec.structs.replace(line, product_id=identity(line.product_id)) for line in lines
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
_AS_THEY_STAND: Final = frozenset({text, identity, boolean})
"""The readers of what stands in a payload as they have read it."""
_AGAIN: Final[Mapping[str, Callable[[Any], object]]] = {
    "customer": _customer_again,
    "customer_id": identity,
    "payment_id": identity,
    "subscription_id": identity,
    "subscription_ids": identities,
    "product_cart": _cart_again,
}
"""How texts and ids in the fields of every payload are read once they have been decoded."""


_NOBODY: Final = Customer()


def stands_as_read(read: Callable[[object], object]) -> bool:
    """Tell whether what a reader reads stands in a payload as it has read it."""
    return read in _AS_THEY_STAND


def _is_plain(body: bytes) -> bool:
    """Tell whether no text in a body, whatever it is, would be read as another one."""
    return body.isascii() and not (b"\\" in body or b"\x7f" in body)


def _others_of(payload: Payload) -> tuple[str | None, ...]:
    """Return the texts and ids that stand in a payload's structures, and its customer's id."""
    customer = payload.customer or _NOBODY
    return (
        payload.customer_id,
        customer.customer_id,
        customer.email,
        customer.name,
        customer.phone_number,
        *(payload.subscription_ids or ()),
        *[line.product_id for line in payload.product_cart or ()],
    )


class PayloadReader:
    """Reads the bodies about one kind of thing: the fields that its entity declares."""

    def __init__(self, kind: str, fields: Mapping[str, object]) -> None:
        """Take the fields, each with its declared type, that `data` may have beyond the links."""
        own = {name: declared for name, declared in fields.items() if name not in _READERS}
        wire = [(name, _wire(name, declared_type(own[name])), None) for name in own]
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
        texts = {name: read for name, read in at_once.items() if read in (text, identity)}
        self._again = {**texts, **_AGAIN}
        # Of two names or more, it gives a tuple.
        self._texts = attrgetter("payment_id", "subscription_id", *texts)

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
            payload = told.data
            if not _is_plain(body) and not self._is_printable(payload):
                payload = self._read_again(payload)
            return as_utc(told.timestamp), payload
        except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError):
            return self.read_leniently(body)

    def _is_printable(self, payload: Payload) -> bool:
        """Tell whether all texts and ids are of printable characters: then they are as read."""
        texts = self._texts(payload) + _others_of(payload)
        return "".join(filter(None, texts)).isprintable()

    def _read_again(self, payload: T) -> T:
        """Read the texts and ids that have been decoded at once."""
        found = {name: getattr(payload, name) for name in self._again}
        read = {
            name: self._again[name](value) for name, value in found.items() if value is not None
        }
        return msgspec.structs.replace(payload, **read)

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
    return nested or payload.customer_id


def _subscription_id(payload: Payload) -> str | None:
    return payload.subscription_id or next(iter(payload.subscription_ids or ()), None)


def _payment_id(payload: Payload) -> str | None:
    return payload.payment_id


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
