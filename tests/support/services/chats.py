"""Twilio's messages and a Discord webhook: neither takes a message once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from tests.support.services import Asked, Service, basic

SID = "AC1"
TOKEN = "twilio-1"


@dataclass
class Twilio(Service):
    """Source: twilio.com/docs/messaging/api/message-resource."""

    messages: list[dict[str, str]] = field(default_factory=list)

    def answer(self, asked: Asked) -> tuple[int, Any]:
        if asked.headers.get("authorization") != basic(SID, TOKEN):
            return 401, {"code": 20003}
        if asked.path != f"/2010-04-01/Accounts/{SID}/Messages.json":
            return 404, {"code": 20404}
        if not re.fullmatch(r"\+[1-9]\d{1,14}", asked.body["To"]):
            return 400, {"code": 21211, "message": f"Invalid 'To': {asked.body['To']}"}
        if not asked.body.get("From") or not 0 < len(asked.body.get("Body", "")) <= 1600:
            return 400, {"code": 21602}
        self.messages.append(asked.body)
        return 201, {"sid": "SM1", "status": "queued"}


@dataclass
class Discord(Service):
    """Source: discord.com/developers/docs/resources/webhook#execute-webhook."""

    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def resource(self) -> dict[str, str]:
        """What a Windmill resource says of the webhook."""
        return {"webhook_url": f"{self.url}/api/webhooks/1/secret"}

    def answer(self, asked: Asked) -> tuple[int, Any]:
        if (asked.method, asked.path) != ("POST", "/api/webhooks/1/secret"):
            return 404, {"code": 10015, "message": "Unknown Webhook"}
        if not 0 < len(asked.body["content"]) <= 2_000:
            return 400, {"code": 50035, "message": "Invalid Form Body"}
        self.messages.append(asked.body)
        return 200, {"id": str(len(self.messages))}
