"""Posts webhooks to a server, signed as Dodo signs them, and counts the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec
from standardwebhooks import Webhook

from simulator.merchant import Occurrence
from telemetry.backoff import spread_backoff_s

if TYPE_CHECKING:
    import aiohttp

TRY_AGAIN: Final = frozenset({429, 502, 503, 504})
"""Answers that mean "not now". Any other than these and 2xx is final."""

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

Progress = Callable[[int, int], None]


class Answer(Enum):
    """How a webhook was answered in the end."""

    RECORDED = "recorded"
    """Acknowledged, and new to the server."""
    DUPLICATE = "duplicate"
    """Acknowledged, and known to the server."""
    REFUSED = "refused"
    """Answered with an error that another attempt would not mend."""
    FAILED = "failed"
    """Not acknowledged in any of the attempts."""


class Tally(msgspec.Struct):
    """The answers so far. `refused_by_status` says which errors the refused ones met."""

    recorded: int = 0
    duplicates: int = 0
    refused: int = 0
    failed: int = 0
    retries: int = 0
    refused_by_status: dict[int, int] = msgspec.field(default_factory=dict)

    @property
    def sent(self) -> int:
        """How many webhooks have their answer, or were given up."""
        return self.recorded + self.duplicates + self.refused + self.failed

    def count(self, answer: Answer) -> None:
        """Count one more answer."""
        match answer:
            case Answer.RECORDED:
                self.recorded += 1
            case Answer.DUPLICATE:
                self.duplicates += 1
            case Answer.REFUSED:
                self.refused += 1
            case Answer.FAILED:
                self.failed += 1


class Patience(msgspec.Struct, frozen=True):
    """How long the player keeps trying.

    Between attempts it waits `backoff_s`, doubled each time up to `backoff_max_s`, and less by
    chance. After `failed_max` webhooks that no attempt could deliver it stops altogether.
    """

    attempts_max: int = 10
    backoff_s: float = 0.05
    backoff_max_s: float = 5.0
    timeout_s: float = 15.0
    failed_max: int = 32


class _Acknowledgement(msgspec.Struct):
    duplicate: bool = False


class Player:
    """Posts webhooks to one URL, as many at once as `concurrency` allows.

    Raises ValueError for a concurrency below 1 and for a secret that is not `whsec_` and base64,
    and EmptyWebhookSecretError of `standardwebhooks` for one without a key.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        concurrency: int = 32,
        patience: Patience | None = None,
    ) -> None:
        if concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        self._url = url
        self._webhook = Webhook(secret)
        self._concurrency = concurrency
        self._patience = patience or Patience()

    async def play(
        self, occurrences: Sequence[Occurrence], progress: Progress | None = None
    ) -> Tally:
        """Post them all, begun in the order given; `progress` hears how many are done, of how many.

        `Tally.sent` is less than their number only where the player gave up.
        """
        tally = Tally()
        waiting = iter(occurrences)
        total = len(occurrences)

        async def work(client: aiohttp.ClientSession) -> None:
            for occurrence in self._until_it_gives_up(waiting, tally):
                tally.count(await self._deliver(client, occurrence, tally))
                if progress is not None:
                    progress(tally.sent, total)

        async with self._client() as client, asyncio.TaskGroup() as workers:
            for _ in range(min(self._concurrency, total)):
                workers.create_task(work(client))
        return tally

    def _until_it_gives_up(
        self, waiting: Iterator[Occurrence], tally: Tally
    ) -> Iterator[Occurrence]:
        while tally.failed < self._patience.failed_max:
            occurrence = next(waiting, None)
            if occurrence is None:
                return
            yield occurrence

    def _client(self) -> aiohttp.ClientSession:
        import aiohttp  # noqa: PLC0415 -- it loads slowly, and most commands post nothing

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._concurrency),
            timeout=aiohttp.ClientTimeout(total=self._patience.timeout_s),
            # A proxy has no say about this machine itself.
            trust_env=urlsplit(self._url).hostname not in LOOPBACK,
        )

    async def _deliver(
        self, client: aiohttp.ClientSession, occurrence: Occurrence, tally: Tally
    ) -> Answer:
        import aiohttp  # noqa: PLC0415

        for attempt in range(self._patience.attempts_max):
            if attempt:
                tally.retries += 1
                await asyncio.sleep(self._backoff_s(attempt))
            try:
                status, content = await self._post(client, occurrence)
            except (aiohttp.ClientError, TimeoutError):
                continue
            if 200 <= status < 300:
                return _acknowledged(content)
            if status not in TRY_AGAIN:
                by_status = tally.refused_by_status
                by_status[status] = by_status.get(status, 0) + 1
                return Answer.REFUSED
        return Answer.FAILED

    async def _post(
        self, client: aiohttp.ClientSession, occurrence: Occurrence
    ) -> tuple[int, bytes]:
        async with client.post(
            self._url,
            data=occurrence.body,
            headers=self.headers(occurrence),
            allow_redirects=False,
        ) as response:
            return response.status, await response.read()

    def headers(self, occurrence: Occurrence) -> dict[str, str]:
        """The headers of a webhook that is sent now."""
        now = datetime.now(UTC)
        signature = self._webhook.sign(occurrence.webhook_id, now, occurrence.body.decode())
        return {
            "content-type": "application/json",
            "webhook-id": occurrence.webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }

    def _backoff_s(self, attempt: int) -> float:
        patience = self._patience
        return spread_backoff_s(attempt, patience.backoff_s, patience.backoff_max_s)


def _acknowledged(content: bytes) -> Answer:
    """What a 2xx says; another server than Raphus may say nothing, which counts as recorded."""
    try:
        answer = msgspec.json.decode(content, type=_Acknowledgement)
    except msgspec.DecodeError:
        return Answer.RECORDED
    return Answer.DUPLICATE if answer.duplicate else Answer.RECORDED
