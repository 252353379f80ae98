"""A merchant's endpoint, stood in for: it verifies webhooks, and handles each once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

import msgspec
from standardwebhooks import Webhook, WebhookVerificationError

from tests.support.windmill_stand_in.door import Answer
from tests.support.windmill_stand_in.model import Fault, Job, Request
from tests.support.windmill_stand_in.windmill import Windmill

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

    from tests.support.windmill_stand_in.door import Asked

TAKEN = "/taken"
"""Where a redirect leads to; whatever is posted there is handled."""


class Endpoint(Windmill):
    """What a merchant's handler does with webhooks, and what goes wrong with it as it is told.

    `jobs` are the webhooks that it has handled: of those that it is told again, the first only,
    as of a handler that keeps the webhook-ids. Two paths are two handlers.
    """

    answers: ClassVar[Mapping[Fault | None, Answer]] = {
        **Windmill.answers,
        "error": Answer(500, b"it broke", retry_after_s=1),
        "invalid": Answer(400, b"bad request"),
        "forbidden": Answer(403, b"no"),
        "unauthorized": Answer(401, b"the signature does not match"),
        "gone": Answer(410, b"unsubscribed"),
        "redirect": Answer(308, b"moved", location=TAKEN),
        "endless": Answer(200, b"", endless_pause_s=0.0),
        "drip": Answer(200, b"", endless_pause_s=0.05),
    }

    def __init__(self, tls: SSLContext | None = None) -> None:
        super().__init__(tls)
        self._handled: set[tuple[str, str]] = set()

    def _request(self, asked: Asked) -> Request:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in asked.headers.items()
        }
        webhook_id = headers.get("webhook-id", "")
        return Request(
            asked.method,
            asked.path,
            asked.query,
            webhook_id,
            time.monotonic(),
            headers=headers,
            body=asked.body,
            is_repeated=(asked.path, webhook_id) in self._handled,
        )

    def _route(self, asked: Asked, *, known_before: bool) -> Answer:
        request = self._request(asked)
        try:
            self._verify(request)
        except WebhookVerificationError as error:
            return Answer(401, str(error).encode())
        place = request.path, request.job_id
        if place not in self._handled:
            self._handled.add(place)
            arguments = msgspec.json.decode(request.body)
            id_ = request.headers["raphus-job"]
            self._jobs.append(Job(id_, "hook", asked.path, arguments, request.received_at_s))
        return Answer(204, b"")

    def _verify(self, request: Request) -> None:
        """Verify with the first secret that does, as while one replaces another."""
        *others, last = self._behaviour.secrets
        for secret in others:
            try:
                Webhook(secret).verify(request.body, request.headers)
            except WebhookVerificationError:
                continue
            return
        Webhook(last).verify(request.body, request.headers)
