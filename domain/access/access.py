"""Access: whether somebody may in now, until when, why, and on what evidence."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, get_args

import msgspec

from domain.access.judgement import Code, Judgement, judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from domain.access.holding import Holding
    from domain.access.policy import Policy

RESTS_ON_MAX: Final = 20
"""So many things that an answer rests on are named; those that decide come first."""
_CODES: Final[tuple[Code, ...]] = get_args(Code)
_FOR_EVER: Final = datetime.max.replace(tzinfo=UTC)


class Reason(msgspec.Struct, frozen=True):
    """Why: a `code` for programs, a `text` for people."""

    code: Code
    text: str


class Evidence(msgspec.Struct, frozen=True):
    """A thing that an answer rests on; the webhook is of its newest fact that is not refused.

    `product_names` are those of `product_ids`, once somebody has looked them up.
    """

    kind: str
    id: str
    business_id: str
    status: str | None
    webhook_id: str
    occurred_at: datetime
    product_ids: tuple[str, ...]
    product_names: tuple[str | None, ...] = ()


class Access(msgspec.Struct, frozen=True):
    """Whether there is access.

    `until` is the instant at which the answer changes by time alone; null where none is known.
    """

    access: bool
    until: datetime | None
    reason: Reason
    rests_on: list[Evidence]


def access(
    holdings: Iterable[Holding],
    at: datetime,
    policy: Policy,
    product_id: str | None = None,
    *,
    is_known: bool = True,
) -> Access:
    """Tell whether what somebody has gives access at an instant, to a product or to any.

    One holding that gives access is enough. `is_known` tells whether anything at all has been
    seen of the person.
    """
    return decide(judge(holdings, at, policy), product_id, is_known=is_known)


def decide(
    judgements: Iterable[Judgement], product_id: str | None, *, is_known: bool = True
) -> Access:
    """Tell what the judgements of all holdings add up to, for a product or for any."""
    about = [one for one in judgements if _is_about(one, product_id)]
    giving = sorted((one for one in about if one.gives), key=_longest_first)
    if giving:
        until = giving[0].until
        return Access(True, until, Reason(giving[0].code, giving[0].text), _evidence(giving))
    denied = sorted(about, key=_most_telling_first)
    if denied:
        return Access(False, None, Reason(denied[0].code, denied[0].text), _evidence(denied))
    if not is_known:
        return Access(
            False,
            None,
            Reason("unknown_person", "No webhook about such a person has been seen."),
            [],
        )
    text = "Nothing was ever bought."
    if product_id is not None:
        text = f"Product {product_id} was never bought."
    return Access(False, None, Reason("never_bought", text), [])


def products(holdings: Iterable[Holding]) -> list[str]:
    """Return the products that anything is for, in order."""
    return sorted({product_id for one in holdings for product_id in one.product_ids})


def _is_about(judgement: Judgement, product_id: str | None) -> bool:
    return product_id is None or product_id in judgement.holding.product_ids


def _longest_first(judgement: Judgement) -> tuple[float, int, str, str]:
    until = judgement.until or _FOR_EVER
    return -until.timestamp(), *_place(judgement)


def _most_telling_first(judgement: Judgement) -> tuple[int, float, str, str]:
    rank, id_, business_id = _place(judgement)
    return rank, -judgement.holding.occurred_at.timestamp(), id_, business_id


def _place(judgement: Judgement) -> tuple[int, str, str]:
    one = judgement.holding
    return _CODES.index(judgement.code), one.id, one.entity.business_id


def _evidence(judgements: Sequence[Judgement]) -> list[Evidence]:
    held = {
        (one.kind, one.entity.business_id, one.id): one
        for each in judgements
        for one in each.evidence
    }
    return [
        Evidence(
            kind=one.kind,
            id=one.id,
            business_id=one.entity.business_id,
            status=one.entity.status,
            webhook_id=one.webhook_id,
            occurred_at=one.occurred_at,
            product_ids=one.product_ids,
        )
        for one in list(held.values())[:RESTS_ON_MAX]
    ]
