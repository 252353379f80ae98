"""Which object a webhook is about."""

from __future__ import annotations

import msgspec

from simulator.merchant import Occurrence

ID_FIELDS = {
    "payment": "payment_id",
    "refund": "refund_id",
    "dispute": "dispute_id",
    "subscription": "subscription_id",
    "payout": "payout_id",
    "license_key": "id",
    "entitlement_grant": "id",
    "credit": "id",
}
"""The kinds of which the API has lists, and what names an object of each in its `data`."""


class _Ids(msgspec.Struct):
    payment_id: str | None = None
    refund_id: str | None = None
    dispute_id: str | None = None
    subscription_id: str | None = None
    payout_id: str | None = None
    id: str | None = None


class _Body(msgspec.Struct):
    data: _Ids


_decode = msgspec.json.Decoder(_Body).decode


def kind_of(occurrence: Occurrence) -> str:
    """The kind of thing that a webhook is about."""
    return occurrence.type.partition(".")[0]


def subject(occurrence: Occurrence) -> tuple[str, str]:
    """The kind and the id of what a webhook is about, which is one of `ID_FIELDS`."""
    kind = kind_of(occurrence)
    return kind, getattr(_decode(occurrence.body).data, ID_FIELDS[kind])
