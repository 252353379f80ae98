"""What is sold, and for how much, as Dodo's API tells: no event is about a product."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from domain.aggregate import Aggregate
from domain.entity import Entity, Kind
from domain.field_readers import boolean, integer, interval, plain, text
from domain.state_machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from domain.entity import Observation
    from domain.payload import Payload

STATES = {
    "active": "It is for sale.",
    "archived": "It is not for sale any more.",
}
# Source: docs/dodo-api.md, "Products, prices, and what a payment can be checked against".
MACHINE = Machine(
    kind="product",
    states=STATES,
    events={},
    ranks={},
    unheralded=frozenset(STATES),
    observed_freely=True,
)


class ProductEntity(Entity, kw_only=True):
    """A product as it is known; amounts in minor units of `currency`.

    `price` is what one of it costs, once or each period, before a discount of `discount_bps` basis
    points; the least that is paid where one may `pay_what_you_want`; the fixed fee where use is
    billed. `price_type` is `one_time`, `recurring` or `usage_based`. `pricing_mode` tells that
    other prices hold in some currencies or countries. What a price does not say is null.
    """

    product_id: str
    name: str | None
    description: str | None
    price_type: str | None
    price: int | None
    currency: str | None
    tax_inclusive: bool | None
    discount_bps: int | None
    pay_what_you_want: bool | None
    suggested_price: int | None
    purchasing_power_parity: bool | None
    pricing_mode: str | None
    payment_frequency_count: int | None
    payment_frequency_interval: str | None
    subscription_period_count: int | None
    subscription_period_interval: str | None
    trial_period_days: int | None
    trial_amount: int | None
    is_recurring: bool | None
    tax_category: str | None
    updated_at: datetime | None
    brand_id: str | None
    metadata: dict[str, str]


class _Price(msgspec.Struct):
    """A price as it stands in a body: an object, in a list's `price` a number."""


class _Told(msgspec.Struct, kw_only=True):
    price: _Price | None
    price_detail: _Price | None
    currency: str | None
    tax_inclusive: bool | None
    archived: bool | None


_READERS: Final[Mapping[str, Callable[[object], object]]] = {
    "price": integer,
    "currency": text,
    "tax_inclusive": boolean,
    "discount_bps": integer,
    "pay_what_you_want": boolean,
    "suggested_price": integer,
    "purchasing_power_parity": boolean,
    "payment_frequency_count": integer,
    "payment_frequency_interval": interval,
    "subscription_period_count": integer,
    "subscription_period_interval": interval,
    "trial_period_days": integer,
    "trial_amount": integer,
}
PRICED: Final = ("price_type", *_READERS)
"""The fields that follow from what is said of the price."""
PRICE_FIELDS: Final = ("price", "price_detail")
"""The fields of `data` that say it."""


def _amount(value: object) -> int | None:
    said = plain(value)
    return integer(said.get("price", said.get("fixed_price")) if isinstance(said, dict) else said)


def _state(payload: Payload) -> str | None:
    archived = boolean(getattr(payload, "archived", None))
    return None if archived is None else "archived" if archived else "active"


PRODUCT = Kind(
    MACHINE,
    ProductEntity,
    "product_id",
    status_field="",
    told=_Told,
    derived=dict.fromkeys(PRICED),
    looked=_state,
    is_impersonal=True,
    compared_too={"price": _amount},
)


class Product(Aggregate):
    """A product's stream."""

    kinds: ClassVar[tuple[Kind, ...]] = (PRODUCT,)

    def derive(self, described: Mapping[tuple[str, str], Entity]) -> None:
        """Add what is said of the price, which stands elsewhere in a list than in one object."""
        for named, entity in described.items():
            newest_first = self.folded()[named].observations[::-1]
            for name, value in _price_of(newest_first, self).items():
                setattr(entity, name, value)


class PriceBefore(msgspec.Struct, frozen=True):
    """What was told of the price last."""

    told: dict[str, Any] = msgspec.field(default_factory=lambda: dict.fromkeys(PRICED))


def price_before(aggregate: Aggregate) -> dict[str, object]:
    """Return the fields of the price as they were told before the events of a product."""
    return (aggregate.carried(PriceBefore) or PriceBefore()).told


def price_up_to(aggregate: Aggregate) -> PriceBefore:
    """Return what is carried of the price of a product."""
    (folded,) = aggregate.folded().values()
    return PriceBefore(_price_of(folded.observations[::-1], aggregate))


def _price_of(newest_first: Iterable[Observation], aggregate: Aggregate) -> dict[str, object]:
    """Read the fields of the price from the newest look that tells it."""
    for observation in newest_first:
        if observation.tells(*PRICE_FIELDS):
            return price_in(observation)
    return price_before(aggregate)


def price_in(observation: Observation) -> dict[str, object]:
    """Read the fields of the price that a look tells."""
    payload = observation.payload
    own = {name: plain(getattr(payload, name)) for name in PRICE_FIELDS if observation.tells(name)}
    detail = next((said for said in own.values() if isinstance(said, dict)), None)
    if detail is None:
        beside = [name for name in ("currency", "tax_inclusive") if observation.tells(name)]
        detail = {"price": own.get("price"), **{name: getattr(payload, name) for name in beside}}
    type_ = text(detail.get("type"))
    read = {name: reader(detail.get(name)) for name, reader in _READERS.items()}
    percent = integer(detail.get("discount"))
    if read["discount_bps"] is None and percent is not None:
        read["discount_bps"] = percent * 100
    named = type_ and type_.removesuffix("_price")
    return {"price_type": named, **read, "price": _amount(detail)}
