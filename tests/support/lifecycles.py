"""A customer's lifecycle made in memory, as the API answers it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from api.answers.named import named, named_entry
from api.resources.lifecycle import Lifecycle, LifecycleEntry, following_grants
from cli.rendering.objects import kind_of
from domain.aggregates.catalogue import KINDS
from domain.aggregates.entitlement_grant import EntitlementGrantEntity
from domain.customer import Customer, Totals
from domain.periods import periods
from domain.timeline import is_valid
from projections.read_models.periods import Lasting
from tests.support.histories import NOON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from domain.aggregate import Aggregate
    from domain.entity import Entity
    from domain.lateness import Stretch


def customer(name: str | None = None, **counts: int) -> Customer:
    """Make a customer who has so much of each sort."""
    names = (
        "subscriptions active_subscriptions payments succeeded_payments failed_payments refunds"
        " disputes open_disputes license_keys refused entitlement_grants credits dunnings"
        " abandoned_checkouts"
    ).split()
    make: Callable[..., Customer] = Customer
    zeros = dict.fromkeys(names, 0)
    totals = {"JPY": Totals(5000, 0), "EUR": Totals(1999, 500)}
    last = NOON + timedelta(days=9)
    return make("bus_1", "cus_1", **zeros | counts, first_seen_at=NOON, last_seen_at=last,
                totals=totals, email="ann@example.com", name=name, phone_number=None,
                metadata={"user_id": "42"}, sources={})  # fmt: skip


def lifecycle(
    built: Mapping[str, Aggregate], who: Customer | None = None, stretches: Iterable[Stretch] = ()
) -> Lifecycle:
    """Make the lifecycle of a customer to whom all of these belong; nothing of it came late."""
    entities: dict[str, list[Entity]] = {}
    for known in (known for one in built.values() for known in one.entities()):
        entities.setdefault(kind_of(known.entity), []).append(named(known.entity, {}))
    entries = sorted(
        (entry for one in built.values() for entry in one.timeline()),
        key=lambda entry: entry.occurred_at or datetime.min.replace(tzinfo=UTC),
    )
    lines = [named_entry(one, "bus_1", {}) for one in entries]
    items = [LifecycleEntry(**msgspec.structs.asdict(one), late_s=None) for one in lines]
    kinds = [kind for kind in KINDS if f"{kind}s" in Lifecycle.__struct_fields__]
    objects = {f"{kind}s": entities.get(kind, []) for kind in kinds}
    told = {
        "customer": who or customer(),
        **objects,
        "stretches": list(stretches),
        "periods": _lasting(built, entities.get("entitlement_grant", [])),
        "notable": [one for one in items if one.gap or not is_valid(one)],
        "items": items,
        "next": None,
    }
    return msgspec.convert(told, Lifecycle)


def _lasting(built: Mapping[str, Aggregate], grants: Iterable[Entity]) -> list[Lasting]:
    lasting = [
        Lasting(**{name: getattr(period, name) for name in Lasting.__struct_fields__})
        for one in built.values()
        for period in periods(one)
    ]
    lasting.sort(key=lambda one: (one.valid_from, one.kind, one.id))
    return following_grants(
        lasting, [one for one in grants if isinstance(one, EntitlementGrantEntity)]
    )
