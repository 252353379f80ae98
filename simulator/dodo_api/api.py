"""The simulated API itself: who may ask, how often, as of when, and how errors are told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

import msgspec

from simulator.dodo_api.asking import Asked, Refusal, Reply
from simulator.dodo_api.business import Business, Standing
from simulator.dodo_api.limit import RateLimit
from simulator.dodo_api.resources import Served, answer
from simulator.dodo_api.shapes import Object
from simulator.dodo_api.shop import Shop
from simulator.merchant import Occurrence

WEBHOOK_URL = "https://raphus.example.com/webhooks/dodo"


class SimulatedDodo:
    """A merchant's API as of the instant `at`, which may be moved at any time, by any thread.

    Answers carry `at` as their Date, since that is when they are true. Without a `limit` as many
    requests are answered as come. Grants of `deleted_entitlements` are only listed by customer.
    """

    def __init__(
        self,
        occurrences: Sequence[Occurrence],
        *,
        at: datetime,
        api_key: str,
        limit: RateLimit | None = None,
        webhook_url: str = WEBHOOK_URL,
        deleted_entitlements: frozenset[str] = frozenset(),
    ) -> None:
        self.at = at
        self._api_key = api_key
        self._limit = limit
        self._business = Business(occurrences)
        self._shop = Shop(
            self._business.business_id, self._business.brand_id, self._business.began_at
        )
        self._webhooks = [_webhook(webhook_url, self._business.began_at)]
        self._deleted_entitlements = deleted_entitlements
        self._stood: tuple[datetime, Standing] | None = None

    @property
    def visitor_id(self) -> str:
        """A customer who has bought nothing, and whom no webhook names."""
        return self._business.visitor_id

    def reply(self, asked: Asked) -> Reply:
        """Answer a request."""
        headers = {"content-type": "application/json", "date": _http_date(self.at)}
        try:
            if self._limit is not None:
                self._count(self._limit, headers)
            if asked.headers.get("authorization") != f"Bearer {self._api_key}":
                raise Refusal(401, "UNAUTHORIZED")
            body = msgspec.json.encode(self.answer(asked))
        except Refusal as refusal:
            return Reply(refusal.status, _error(refusal), headers)
        return Reply(200, body, headers)

    def answer(self, asked: Asked) -> Object:
        """What somebody with the key is answered.

        Raises:
            Refusal: there is no such thing, or it cannot be asked so.
        """
        at = self.at
        if self._stood is None or self._stood[0] != at:
            self._stood = at, self._business.at(at)
        served = Served(self._shop, self._stood[1], self._webhooks, self._deleted_entitlements)
        return answer(served, asked.path, asked.query)

    @staticmethod
    def _count(limit: RateLimit, headers: dict[str, str]) -> None:
        is_within = limit.taken()
        headers |= limit.headers()
        if not is_within:
            raise Refusal(429, "TOO_MANY_REQUESTS")


def _error(refusal: Refusal) -> bytes:
    """An error in Dodo's shape; what is not in the API at all has no body."""
    if not refusal.code:
        return b""
    told = {"code": refusal.code, "message": refusal.code.replace("_", " ").capitalize()}
    return msgspec.json.encode(told)


def _webhook(url: str, made_at: datetime) -> Object:
    times = {"created_at": made_at, "updated_at": made_at}
    asked = {"disabled": False, "filter_types": None, "rate_limit": None}
    return {"id": "ep_demo", "url": url, "description": "", "metadata": {}, **asked, **times}


def _http_date(at: datetime) -> str:
    return format_datetime(at.astimezone(UTC).replace(microsecond=0), usegmt=True)
