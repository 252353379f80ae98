"""Changes of access: exactly what differs between what was told and what is so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from domain.access.access import access
from domain.access.changes import changes, standing
from domain.access.judgement import judge
from domain.access.policy import Policy
from domain.aggregates.announcement import Announcement, Cause
from domain.personal_data import emptied
from tests.support.persons import held, instants, policies, purchases

if TYPE_CHECKING:
    from datetime import datetime

    from domain.delivery import Delivery

PRODUCTS = ["pdt_1", "pdt_2", None]
CAUSE = Cause(kind="policy")


@given(purchases(), instants, policies, st.sets(st.sampled_from([*PRODUCTS, "pdt_gone"])))
def test_what_is_told_brings_what_was_told_to_what_is_so(
    deliveries: list[Delivery], at: datetime, policy: Policy, told: set[str | None]
) -> None:
    holdings = held(deliveries)
    now = standing(judge(holdings, at, policy))
    found = changes(told, now, "cus_1", CAUSE)
    known = set(told)
    for change in found:
        assert change.access is (change.product_id not in known)
        known ^= {change.product_id}
    assert len({change.product_id for change in found}) == len(found)
    assert known == now.given.keys()
    for product in ("pdt_1", "pdt_2"):
        asked = access(holdings, at, policy, product)
        assert (product in known) is asked.access
        assert now.given.get(product) == asked.until
    assert now.any_access is access(holdings, at, policy).access is bool(known)
    # What is gained comes first, so whoever changes over is never without.
    assert [change.access for change in found] == sorted(
        (change.access for change in found), reverse=True
    )


@given(purchases(), instants)
def test_nothing_of_it_is_a_persons(deliveries: list[Delivery], at: datetime) -> None:
    now = standing(judge(held(deliveries), at, Policy()))
    for change in changes({"pdt_gone"}, now, "cus_1", CAUSE):
        body = Announcement("access.granted", "bus_1", ("cus_1",), at, change).body
        assert emptied(body) == body
