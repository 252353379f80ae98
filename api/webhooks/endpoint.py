"""The way in: read, verify, queue, wait for the commit, answer; in this order."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from api.counters import UNREAD
from api.http.errors import INTERNAL, ApiError, not_now
from api.http.responses import Response
from api.metrics import type_of
from api.webhooks.request_body import (
    BODY_BYTES_MAX,
    DisconnectedError,
    TooLargeError,
    TooMuchError,
    TooSlowError,
)
from api.webhooks.verifier import UnverifiedError
from domain.delivery import Delivery
from ledger.application import Receipt, Recording
from ledger.batch_writer import QueueFullError
from telemetry.logs import Throttle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Receive, Scope, Send

    from api.metrics import Metrics
    from api.webhooks.request_body import BodyReader
    from api.webhooks.verifier import Verifier
    from ledger.batch_writer import Writer

PATH: Final = "/webhooks/dodo"
ANSWER_S: Final = 10.0
"""How long a delivery waits for its commit, from when it is queued: Dodo waits 15 s in all."""
_RETRY_S: Final = 5
_SIGNED: Final = (b"webhook-id", b"webhook-timestamp", b"webhook-signature")
_READ: Final = frozenset({*_SIGNED, b"content-length"})


class Acknowledgement(msgspec.Struct):
    """The delivery is stored. `duplicate`: it was before, at this position."""

    position: str
    duplicate: bool


class Counting:
    """Counts what became of webhooks, by batches."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def count(
        self, deliveries: Sequence[Delivery], answers: Sequence[Recording], commit_s: float
    ) -> None:
        """Count a batch that was answered, and the seconds of its commit."""
        self._metrics.count_batch(len(deliveries), commit_s)
        pairs = zip(deliveries, answers, strict=True)
        outcomes = Counter((type_of(one.body), _outcome(answer)) for one, answer in pairs)
        for (type_, outcome), count in outcomes.items():
            self._metrics.count_deliveries(type_, outcome, count)


def _outcome(answer: Recording) -> str:
    if isinstance(answer, Receipt):
        return "duplicate" if answer.duplicate else "recorded"
    return "failed"


class Webhooks:
    """The endpoint (ASGI, without Starlette's Request, since every webhook passes here)."""

    def __init__(
        self,
        verifier: Verifier,
        writer: Writer,
        metrics: Metrics,
        bodies: BodyReader,
    ) -> None:
        self._verifier = verifier
        self._writer = writer
        self._metrics = metrics
        self._bodies = bodies
        self._log = Throttle(logging.getLogger(__name__))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever befalls it.

        Raises:
            Exception: a defect; it is answered, too.
        """
        try:
            delivery = await self._read(scope, receive)
            answer = _acknowledgement(await self._record(delivery))
        except DisconnectedError:
            self._log.warning("a webhook was not answered: its body did not come whole")
            return
        except ApiError as error:
            self._log.warning(f"a webhook was refused: {error.status}, {error}")
            answer = error.response()
        except Exception:
            await INTERNAL.response().send(send)
            raise
        await answer.send(send)

    async def _read(self, scope: Scope, receive: Receive) -> Delivery:
        head = {name: value for name, value in scope["headers"] if name in _READ}
        if int(head.get(b"content-length", 0)) > BODY_BYTES_MAX:
            raise self._too_large()
        try:
            body = await self._bodies.read(receive)
        except TooLargeError as error:
            raise self._too_large() from error
        except TooMuchError as error:
            self._metrics.count_deliveries(UNREAD, "busy")
            raise not_now("busy", "too many bodies are being read", retry_s=_RETRY_S) from error
        except TooSlowError as error:
            raise ApiError(408, "too_slow", "the body did not come in time") from error
        webhook_id, timestamp, signature = (
            head.get(name, b"").decode("latin-1") for name in _SIGNED
        )
        delivery = Delivery(webhook_id, timestamp, signature, body)
        try:
            self._verifier.verify(delivery)
        except UnverifiedError as error:
            self._metrics.count_deliveries(UNREAD, "unverified")
            raise ApiError(401, "unverified", str(error)) from error
        return delivery

    async def _record(self, delivery: Delivery) -> Receipt:
        try:
            answer = self._writer.submit(delivery)
        except QueueFullError as error:
            self._metrics.count_deliveries(type_of(delivery.body), "busy")
            raise not_now("busy", "the queue is full", retry_s=_RETRY_S) from error
        # Not asyncio.timeout, which costs more than all else here: only the answer is to end.
        late = answer.get_loop().call_later(ANSWER_S, _end, answer)
        try:
            receipt = await answer
        except TimeoutError as error:
            # It may be committed yet: then the next attempt is found to be a duplicate.
            message = "the delivery could not be committed in time"
            raise not_now("unavailable", message, retry_s=_RETRY_S) from error
        finally:
            late.cancel()
        if not isinstance(receipt, Receipt):
            message = "the delivery could not be committed"
            raise not_now("unavailable", message, retry_s=_RETRY_S) from receipt
        return receipt

    def _too_large(self) -> ApiError:
        self._metrics.count_deliveries(UNREAD, "too_large")
        message = f"the body has more than {BODY_BYTES_MAX} bytes"
        return ApiError(413, "too_large", message, {"bytes_max": BODY_BYTES_MAX})


def _end(answer: asyncio.Future[Recording]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())


def _acknowledgement(receipt: Receipt) -> Response:
    body = b'{"position":"%d","duplicate":%b}' % (
        receipt.position,
        b"true" if receipt.duplicate else b"false",
    )
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-content-type-options", b"nosniff"),
    ]
    return Response(200, headers, body)
