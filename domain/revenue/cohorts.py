"""How many customers, and how much of their MRR, is left of those who began in one period."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from domain.revenue.mrr import rate

if TYPE_CHECKING:
    from collections.abc import Iterable


class CohortSums(NamedTuple):
    """What moved in one period of those who began in another; both count from 1."""

    currency: str | None
    cohort: int
    span: int
    monthly: int
    customers: int


class Retained(msgspec.Struct, frozen=True):
    """What is left of a cohort at the end of a period: 0 is the period in which it began.

    `made_of` lists the subscriptions that are left.
    """

    period: int
    customers: int
    customer_retention: float | None
    mrr: int
    mrr_retention: float | None
    made_of: str | None = None


class Began(NamedTuple):
    """The size that a cohort began with."""

    customers: int
    monthly: int


def retained(
    sums: Iterable[CohortSums], began: dict[tuple[str | None, int], Began], spans: int
) -> dict[tuple[str | None, int], list[Retained]]:
    """Return by currency and cohort what is left of it, period by period, to the last one."""
    moved: dict[tuple[str | None, int, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for one in sums:
        moved[one.currency, one.cohort, one.span] = one.customers, one.monthly
    found: dict[tuple[str | None, int], list[Retained]] = {}
    for currency, cohort in sorted(began, key=lambda key: (key[0] is None, key[0] or "", key[1])):
        size, customers, monthly = began[currency, cohort], 0, 0
        row = found[currency, cohort] = []
        for span in range(cohort, spans + 1):
            more_customers, more = moved[currency, cohort, span]
            customers, monthly = customers + more_customers, monthly + more
            row.append(
                Retained(
                    span - cohort,
                    customers,
                    rate(customers, size.customers),
                    monthly,
                    rate(monthly, size.monthly),
                )
            )
    return found
