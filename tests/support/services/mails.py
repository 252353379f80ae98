"""Mailchimp's audiences, and Resend, which takes a mail once by its key."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

from tests.support.services import Asked, Service

API_KEY = "0123-us7"
LIST_ID = "list1"
RESEND_KEY = "re_1"


@dataclass
class Mailchimp(Service):
    """Source: mailchimp.com/developer/marketing/api/list-members and .../list-member-tags."""

    members: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By the hash of the address in lower case; `tags` are those that are on."""

    def answer(self, asked: Asked) -> tuple[int, Any]:
        told = asked.headers.get("authorization", "").removeprefix("Basic ")
        if base64.b64decode(told).decode().partition(":")[2] != API_KEY:
            return 401, {"title": "API Key Invalid"}
        match asked.method, asked.parts:
            case "PUT", ["3.0", "lists", "list1", "members", by_hash]:
                return self._put(by_hash, asked.body)
            case "POST", ["3.0", "lists", "list1", "members", by_hash, "tags"]:
                if by_hash not in self.members:
                    return 404, {"title": "Resource Not Found"}
                tags = self.members[by_hash]["tags"]
                for tag in asked.body["tags"]:
                    (tags.add if tag["status"] == "active" else tags.discard)(tag["name"])
                return 204, b""
            case _:
                return 404, {"title": "Resource Not Found"}

    def _put(self, by_hash: str, told: dict[str, Any]) -> tuple[int, Any]:
        address = told["email_address"]
        if hashlib.md5(address.lower().encode(), usedforsecurity=False).hexdigest() != by_hash:
            return 400, {"title": "Invalid Resource", "detail": f"{address} is another member"}
        new = {"status": told["status_if_new"], "tags": set(), "merge_fields": {}}
        member = self.members.setdefault(by_hash, new)
        member["email_address"] = address
        member["merge_fields"] |= told["merge_fields"]
        return 200, {"id": by_hash, "status": member["status"]}


@dataclass
class Resend(Service):
    """Source: resend.com/docs/api-reference/emails/send-email, .../idempotency-keys."""

    mails: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By the idempotency key."""

    def answer(self, asked: Asked) -> tuple[int, Any]:
        if asked.headers.get("authorization") != f"Bearer {RESEND_KEY}":
            return 401, {"name": "missing_api_key"}
        if (asked.method, asked.path) != ("POST", "/emails"):
            return 404, {"name": "not_found"}
        key = asked.headers["idempotency-key"]
        if not 1 <= len(key) <= 256:
            return 400, {"name": "invalid_idempotency_key"}
        if self.mails.setdefault(key, asked.body) != asked.body:
            return 409, {"name": "invalid_idempotent_request"}
        return 200, {"id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}
