"""HubSpot's CRM: objects with properties, some of them unique, and associations.

Source: developers.hubspot.com/docs/api-reference (crm-contacts, crm-deals: batch upsert and get by
`idProperty`; crm-properties; crm-associations v4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.support.services import Asked, Service

TOKEN = "pat-1"
_DEALS = "dealname amount pipeline dealstage closedate".split()


@dataclass
class HubSpot(Service):
    """Contacts and deals, by their ids."""

    objects: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {"contacts": {}, "deals": {}}
    )
    properties: dict[str, set[str]] = field(
        default_factory=lambda: {
            "contacts": {"email", "firstname", "lastname", "phone"},
            "deals": set(_DEALS),
        }
    )
    unique: dict[str, set[str]] = field(
        default_factory=lambda: {"contacts": {"email"}, "deals": set()}
    )
    associated: set[tuple[str, str]] = field(default_factory=set)
    """Each deal with a contact of it."""

    def answer(self, asked: Asked) -> tuple[int, Any]:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"category": "INVALID_AUTHENTICATION"}
        match asked.method, asked.parts:
            case "POST", ["crm", "v3", "objects", what, "batch", "upsert"]:
                return self._upsert(what, asked.body["inputs"])
            case "GET", ["crm", "v3", "objects", what, id_]:
                return self._get(what, asked.query["idProperty"], id_)
            case "POST", ["crm", "v3", "properties", what]:
                return self._declare(what, asked.body)
            case "PUT", ["crm", "v4", "objects", _, deal, "associations", "default", _, contact]:
                there = deal in self.objects["deals"] and contact in self.objects["contacts"]
                self.associated |= {(deal, contact)} if there else set()
                return (200, {"status": "COMPLETE"}) if there else (404, {})
            case _:
                return 404, {}

    def _upsert(self, what: str, inputs: list[dict[str, Any]]) -> tuple[int, Any]:
        results = []
        for one in inputs:
            by, value, told = one["idProperty"], one["id"], one["properties"]
            if by not in self.unique[what] or not set(told) <= self.properties[what]:
                return 400, {"category": "VALIDATION_ERROR", "errors": "PROPERTY_DOESNT_EXIST"}
            id_ = self._id(what, by, value) or str(len(self.objects[what]) + 101)
            self.objects[what].setdefault(id_, {by: value}).update(told)
            results.append({"id": id_, "properties": self.objects[what][id_]})
        return 200, {"status": "COMPLETE", "results": results}

    def _get(self, what: str, by: str, value: str) -> tuple[int, Any]:
        if by not in self.unique[what]:
            return 400, {"category": "VALIDATION_ERROR", "message": f"{by} is not unique"}
        id_ = self._id(what, by, value)
        if id_ is None:
            return 404, {"category": "OBJECT_NOT_FOUND"}
        return 200, {"id": id_, "properties": self.objects[what][id_]}

    def _declare(self, what: str, told: dict[str, Any]) -> tuple[int, Any]:
        if told["name"] in self.properties[what]:
            return 409, {"category": "OBJECT_ALREADY_EXISTS"}
        self.properties[what].add(told["name"])
        if told.get("hasUniqueValue"):
            self.unique[what].add(told["name"])
        return 201, told

    def _id(self, what: str, by: str, value: str) -> str | None:
        found = [id_ for id_, one in self.objects[what].items() if one.get(by) == value]
        return found[0] if found else None
