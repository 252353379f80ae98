"""Google Calendar's events: ids of the caller's, etags, and deletion that leaves a trace.

Source: developers.google.com/workspace/calendar/api/v3/reference/events (insert, update, get,
delete) and .../guides/version-resources (412).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.services import Asked, Service

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "ya29.1"


@dataclass
class GoogleCalendar(Service):
    """The events of the calendar `primary`, by id, with their etags."""

    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    meanwhile: list[Callable[[], object]] = field(default_factory=list)
    """What happens before the next write, once each."""
    _version: int = 0

    def answer(self, asked: Asked) -> tuple[int, Any]:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"error": {"code": 401}}
        if asked.method != "GET" and self.meanwhile:
            self.meanwhile.pop(0)()
        match asked.method, asked.parts:
            case "POST", ["calendar", "v3", "calendars", "primary", "events"]:
                return self._insert(asked.body)
            case method, ["calendar", "v3", "calendars", "primary", "events", id_]:
                there = self.events.get(id_)
                if there is None:
                    return 404, {"error": {"code": 404}}
                if asked.headers.get("if-match", there["etag"]) != there["etag"]:
                    return 412, {"error": {"code": 412}}
                return self._changed(method, id_, there, asked.body)
            case _:
                return 404, {"error": {"code": 404}}

    def _insert(self, told: dict[str, Any]) -> tuple[int, Any]:
        if not re.fullmatch(r"[a-v0-9]{5,1024}", told["id"]):
            return 400, {"error": {"code": 400, "message": "Invalid resource id value."}}
        if told["id"] in self.events:  # deleted ones, too
            return 409, {"error": {"code": 409}}
        return self._put(told["id"], told)

    def _changed(
        self, method: str, id_: str, there: dict[str, Any], told: dict[str, Any]
    ) -> tuple[int, Any]:
        if method == "GET":
            return 200, there
        if method == "PUT":
            return self._put(id_, told)
        if there["status"] == "cancelled":
            return 410, {"error": {"code": 410}}
        self._put(id_, {"status": "cancelled"})
        return 204, b""

    def _put(self, id_: str, told: dict[str, Any]) -> tuple[int, Any]:
        self._version += 1
        self.events[id_] = {**told, "id": id_, "etag": f'"{self._version}"'}
        return 200, self.events[id_]
