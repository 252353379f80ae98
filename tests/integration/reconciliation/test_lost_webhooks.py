"""Whatever webhooks are lost on their way: one reconciliation, and all is as if none had been."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from simulator.dodo_api.shapes import ITEM_FIELDS
from tests.support.dodo_stand_in import standing_in
from tests.support.http_server import copied
from tests.support.reconciled import (
    delivered,
    entities,
    entities_of,
    imported,
    reconciled,
    small_merchant,
)

if TYPE_CHECKING:
    from random import Random

    from domain.entity import Entity

NOT_IN_API: Final = frozenset({"dunning", "abandoned_checkout"})
STATES: Final = frozenset({"status", "folded_status", "observed_status"})
OF_WEBHOOKS_ALONE: Final = {
    "subscription": {"past_due_ends_at"},
    "credit": {"low_at", "created_at"},
}
"""Fields that Dodo's API does not have."""
OF_THE_API_ALONE: Final[dict[str, frozenset[str]]] = {"license_key": STATES}
"""What no webhook tells: that a licence key is disabled."""
HOW_IT_BECAME_KNOWN: Final = frozenset({"history", "settled", "refused", "occurred_at"})
OPEN: Final[tuple[object, ...]] = (None, (), {})
ALWAYS: Final = frozenset({"status", "folded_status", "observed_status", "drift", "missing_since"})


def told(
    found: dict[tuple[str, str], Entity], *, by_lists: bool
) -> dict[tuple[str, str], dict[str, object]]:
    """What is known of each thing that Dodo's API has; of all fields, or those that lists say."""
    return {
        (kind, id_): {
            name: getattr(entity, name)
            for name in entity.__struct_fields__
            if name not in HOW_IT_BECAME_KNOWN
            and name not in OF_WEBHOOKS_ALONE.get(kind, ())
            and name not in OF_THE_API_ALONE.get(kind, ())
            and (not by_lists or name in ALWAYS or name in ITEM_FIELDS.get(kind, {name}))
        }
        for (kind, id_), entity in found.items()
        if kind not in NOT_IN_API
    }


def differing(
    wanted: dict[tuple[str, str], dict[str, object]],
    found: dict[tuple[str, str], dict[str, object]],
) -> dict[tuple[str, str, str], object]:
    """What of the first is otherwise in the second; some webhooks leave fields open."""
    return {
        (*named, name): (value, found.get(named, {}).get(name))
        for named, fields in wanted.items()
        for name, value in fields.items()
        if value not in OPEN and found.get(named, {}).get(name) != value
    }


# A smaller example would take minutes to find, and say no more.
@settings(max_examples=6, phases=[Phase.explicit, Phase.generate])
@given(st.integers(1, 1_000), st.sampled_from([0.1, 0.5, 1.0]), st.randoms(use_true_random=False))
def test_one_reconciliation_gives_the_states_that_all_webhooks_give(
    cluster: str, template: str, seed: int, lost: float, random: Random
) -> None:
    occurrences = small_merchant(seed, customers=3)
    come = [one for one in occurrences if random.random() >= lost]
    everything = entities_of(occurrences)
    with copied(cluster, template) as lossy:
        delivered(lossy, come)
        with standing_in(occurrences) as dodo:
            done = reconciled(lossy, dodo)
            assert done.differs == (len(come) < len(occurrences)) or lost < 1
            by_lists = told(entities(lossy), by_lists=True)
            assert differing(told(everything, by_lists=True), by_lists) == {}
            imported(lossy, dodo)
        by_all = told(entities(lossy), by_lists=False)
        assert differing(told(everything, by_lists=False), by_all) == {}
