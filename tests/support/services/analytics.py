"""PostHog's and Segment's ways in, which take an event once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from tests.support.services import Asked, Service, basic

PROJECT_KEY = "phc_1"
WRITE_KEY = "segment-1"


@dataclass
class PostHog(Service):
    """Source: posthog.com/docs/api/capture. An unknown key is answered 401, and told once."""

    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What was captured, by uuid."""

    def answer(self, asked: Asked) -> tuple[int, Any]:
        if (asked.method, asked.path) != ("POST", "/i/v0/e/"):
            return 404, {}
        body = asked.body
        if body["api_key"] != PROJECT_KEY:
            return 401, {"type": "authentication_error", "detail": "API key invalid"}
        if not body["event"] or not body["distinct_id"]:
            return 400, {"type": "validation_error"}
        datetime.fromisoformat(body["timestamp"])
        self.events.setdefault(str(UUID(body["uuid"])), body)
        return 200, {"status": "Ok"}


@dataclass
class Segment(Service):
    """Source: segment.com/docs/connections/sources/catalog/libraries/server/http-api."""

    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What was taken, by messageId, with the call's name as `type`."""

    def answer(self, asked: Asked) -> tuple[int, Any]:
        if asked.headers.get("authorization") != basic(WRITE_KEY, ""):
            return 401, {"success": False, "message": "invalid write key"}
        version, call = asked.parts
        if version != "v1" or call not in {"track", "identify"} or asked.method != "POST":
            return 404, {}
        body = asked.body
        if not body.get("userId") and not body.get("anonymousId"):
            return 400, {"success": False}
        if call == "track" and not body.get("event"):
            return 400, {"success": False}
        self.messages.setdefault(body["messageId"], {"type": call, **body})
        return 200, {"success": True}
