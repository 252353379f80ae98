"""What payments brought by periods, net of tax, refunds and disputes lost."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from domain.revenue.mrr import rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class TakingSums(NamedTuple):
    """What the takings of one kind, settlement currency and period come to.

    `span` counts from 1. `net` has their sign; `unsettled` of them are in no sum.
    """

    currency: str | None
    span: int
    kind: str
    number: int
    gross: int
    tax: int
    net: int
    unsettled: int
    recovered: int
    recovered_gross: int


class Taken(msgspec.Struct, frozen=True):
    """How many there were, and what they come to where they are settled: `tax` is in `gross`."""

    count: int
    gross: int
    tax: int


class Failed(msgspec.Struct, frozen=True):
    """Payments that failed, and those of them that have succeeded since; what they would bring."""

    count: int
    gross: int
    recovered: int
    recovered_gross: int
    recovery_rate: float | None


class NetFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one settlement currency in one period; amounts in minor units.

    `currency` is null for what was never settled, as far as is known: counted, and in no sum.
    """

    currency: str | None
    payments: Taken
    refunds: Taken
    disputes_opened: Taken
    disputes_won: Taken
    disputes_lost: Taken
    failed: Failed
    net: int
    unsettled: int
    made_of: str | None = None


_NOTHING: Final = TakingSums(None, 0, "", 0, 0, 0, 0, 0, 0, 0)


def net_figures(sums: Iterable[TakingSums], spans: int) -> list[list[NetFigures]]:
    """Return, for each of so many periods, the figures by currency; every period has the same."""
    by_place: dict[tuple[str | None, int], dict[str, TakingSums]] = defaultdict(dict)
    for one in sums:
        by_place[one.currency, one.span][one.kind] = one
    currencies = sorted(
        {currency for currency, _ in by_place}, key=lambda one: (not one, one or "")
    )
    return [
        [_figures(currency, by_place.get((currency, span), {})) for currency in currencies]
        for span in range(1, spans + 1)
    ]


def _figures(currency: str | None, by_kind: Mapping[str, TakingSums]) -> NetFigures:
    failed = by_kind.get("failed_payment", _NOTHING)
    return NetFigures(
        currency=currency,
        payments=_taken(by_kind.get("payment", _NOTHING)),
        refunds=_taken(by_kind.get("refund", _NOTHING)),
        disputes_opened=_taken(by_kind.get("dispute_opened", _NOTHING)),
        disputes_won=_taken(by_kind.get("dispute_won", _NOTHING)),
        disputes_lost=_taken(by_kind.get("dispute_lost", _NOTHING)),
        failed=Failed(
            failed.number,
            failed.gross,
            failed.recovered,
            failed.recovered_gross,
            rate(failed.recovered, failed.number),
        ),
        net=sum(one.net for one in by_kind.values()),
        unsettled=sum(one.unsettled for one in by_kind.values()),
    )


def _taken(one: TakingSums) -> Taken:
    return Taken(one.number, one.gross, one.tax)
