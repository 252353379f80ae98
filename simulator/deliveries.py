"""How Dodo delivers what happened: out of order, late, and more than once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from operator import attrgetter
from random import Random

import msgspec

from simulator.merchant import Occurrence
from simulator.subjects import ID_FIELDS, kind_of, subject

RETRIES_S = tuple(accumulate((5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)))
"""Seconds from the first attempt to each retry, as Dodo documents them."""

REPLAY_DAYS_MAX = 40
"""A person may press Replay in the dashboard; here, up to so many days later."""

LIVING = ID_FIELDS.keys() - {"license_key", "credit"}
"""The kinds of which more than one webhook speaks of an object."""


class Posting(Occurrence, frozen=True, gc=False):
    """One POST of a webhook. `delivered_at` is simulated time, and may lie in the future."""

    delivered_at: datetime


class _Envelope(msgspec.Struct):
    business_id: str
    type: str
    timestamp: str
    data: dict[str, object]


def as_dodo_delivers(
    occurrences: Sequence[Occurrence],
    seed: int,
    *,
    window_s: float = 60.0,
    repeated: float = 0.08,
    delayed: float = 0.06,
    lose: float = 0.0,
) -> list[Posting]:
    """The deliveries of these occurrences, in the order in which they are to be posted.

    First attempts are shuffled within `window_s` seconds; the shares `delayed` (of the first
    attempts) and `repeated` (a second delivery under the same webhook-id) come by one of Dodo's
    retries or by a replay days later. As Dodo documents, `data` is the object's state at the time
    of delivery, while type and timestamp stay. The share `lose` never comes at all. Which ones are
    late, repeated or lost is the same when more occurrences follow these.
    """
    rng = Random(f"{seed}/deliveries")
    histories = _Histories(occurrences)
    deliveries = []
    for occurrence in occurrences:
        if rng.random() < lose:
            continue
        at = occurrence.occurred_at + timedelta(seconds=rng.random() * window_s)
        if rng.random() < delayed:
            at += _delay(rng)
        deliveries.append(histories.delivered(occurrence, at))
        if rng.random() < repeated:
            deliveries.append(histories.delivered(occurrence, at + _delay(rng)))
    deliveries.sort(key=attrgetter("delivered_at"))
    return deliveries


def lost(occurrences: Sequence[Occurrence], postings: Sequence[Posting]) -> list[Occurrence]:
    """What happened without any of these deliveries telling of it, in order of occurrence."""
    delivered = {posting.webhook_id for posting in postings}
    return [one for one in occurrences if one.webhook_id not in delivered]


def _delay(rng: Random) -> timedelta:
    if rng.random() < 0.75:
        return timedelta(seconds=rng.choice(RETRIES_S))
    return timedelta(days=rng.uniform(1, REPLAY_DAYS_MAX))


class _Histories:
    """What was said of each object, in order of occurrence."""

    def __init__(self, occurrences: Sequence[Occurrence]) -> None:
        self._histories: dict[tuple[str, str], list[Occurrence]] = {}
        self._keys: dict[str, tuple[str, str]] = {}
        for occurrence in sorted(occurrences, key=attrgetter("occurred_at")):
            if kind_of(occurrence) in LIVING:
                key = subject(occurrence)
                self._keys[occurrence.webhook_id] = key
                self._histories.setdefault(key, []).append(occurrence)

    def delivered(self, occurrence: Occurrence, at: datetime) -> Posting:
        """The webhook about an occurrence as it is sent at this moment."""
        newest = self._newest(occurrence, at)
        body = occurrence.body
        if newest.occurred_at > occurrence.occurred_at:
            body = _with_newer_data(body, newest.body)
        return Posting(
            occurrence.webhook_id, occurrence.type, occurrence.occurred_at, body, delivered_at=at
        )

    def _newest(self, occurrence: Occurrence, at: datetime) -> Occurrence:
        key = self._keys.get(occurrence.webhook_id)
        if key is None:
            return occurrence
        history = self._histories[key]
        return history[bisect_right(history, at, key=attrgetter("occurred_at")) - 1]


def _with_newer_data(body: bytes, newer: bytes) -> bytes:
    """The same fact with the object's newer state.

    A subscription's `payment_id` belongs to the webhook and not to the subscription, so it stays.
    """
    told = msgspec.json.decode(body, type=_Envelope)
    data = msgspec.json.decode(newer, type=_Envelope).data
    if told.type.startswith("subscription.") and "payment_id" in data:
        data["payment_id"] = told.data.get("payment_id")
    told.data = data
    return msgspec.json.encode(told)
