"""Signed webhooks to endpoints over HTTP, and what each answer means."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import aiohttp

from telemetry.incident import Incident
from workflows.targets.attempt import ANSWER_CHARS_MAX, NOTHING_SENT, Attempt, Meaning
from workflows.targets.endpoint.declaration import EndpointTarget
from workflows.targets.endpoint.resolving import CheckedResolver, RefusedAddressError
from workflows.targets.http_answers import (
    KEEP_ALIVE_S,
    Answer,
    beginning,
    retry_after_s,
    session,
    since_ms,
    told,
)
from workflows.targets.target import NoAnswerError, Sender, TargetError, Way

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workflows.limits import Limits
    from workflows.targets.target import Parcel

_log = logging.getLogger(__name__)

ANSWER_BYTES_MAX: Final = 16 * 1024
BODY_S_MAX: Final = 2.0
"""How long the rest of an answer is waited for, once its status is known: that says it all."""
CONNECTIONS_MAX: Final = 500
_NOT_NOW: Final = frozenset({401, 403, 407, 408, 425, 429, 502, 503, 504})
"""What is said to whatever comes, and so not about one webhook."""
_PAGES: Final = (b"<!doctype html", b"<html")
_WORDS: Final[Mapping[int, str]] = {
    401: "it does not accept the signature, or wants more than that",
    403: "it does not accept the signature, or wants more than that",
    410: "it wants no webhooks any more",
}
_REDIRECT: Final = "a redirect, which is not followed: the route must name where it leads to"


class EndpointClient(Sender[EndpointTarget]):
    """Posts to endpoints over connections that are kept open.

    It follows no redirect, keeps no cookie, uses no proxy and nothing of `.netrc`, and verifies
    certificates against the name in the URL.
    """

    def __init__(self, environ: Mapping[str, str], limits: Limits) -> None:
        self._environ = environ
        self._limits = limits
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._trusting: ssl.SSLContext | None = None

    def way(self, route: str, target: EndpointTarget) -> Way:
        """Return the way to an endpoint, which has slots of its own.

        Raises:
            TargetError: there is no secret to sign with.
        """
        target.signer.keys(self._environ)
        return EndpointWay(self, route, target, self._environ, self._limits)

    async def close(self) -> None:
        """Close the connections."""
        for http in self._sessions.values():
            await http.close()

    async def post(self, target: EndpointTarget, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a request, and return what it is answered.

        Raises:
            NoAnswerError: there was no answer, or nothing was sent at all.
        """
        http = self._http(is_private=target.is_private)
        try:
            async with http.post(
                target.url, allow_redirects=False, data=body, headers=headers, ssl=self._tls(target)
            ) as response:
                given = await _given(response.content)
        except RefusedAddressError as error:
            allowed = "" if target.is_private else "; private = true in the route allows it"
            raise NoAnswerError(f"{NOTHING_SENT}: {error}{allowed}") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoAnswerError(told(error, self._limits.timeout_s)) from error
        return Answer(response.status, response.headers.get("retry-after", ""), given)

    def _http(self, *, is_private: bool) -> aiohttp.ClientSession:
        if is_private not in self._sessions:
            # What was resolved is not kept: each connection is made to what was checked for it.
            connector = aiohttp.TCPConnector(
                limit=CONNECTIONS_MAX,
                keepalive_timeout=KEEP_ALIVE_S,
                resolver=CheckedResolver(is_private_allowed=is_private),
                use_dns_cache=False,
            )
            self._sessions[is_private] = session(connector, self._limits.timeout_s)
        return self._sessions[is_private]

    def _tls(self, target: EndpointTarget) -> ssl.SSLContext | bool:
        if not target.url.startswith("https:"):
            return True  # whom to trust is read from files only where it is asked
        if self._trusting is None:
            self._trusting = ssl.create_default_context()
        return self._trusting


class EndpointWay(Way):
    """Sends one route's webhooks to its endpoint."""

    called = "the endpoint"

    def __init__(
        self,
        client: EndpointClient,
        route: str,
        target: EndpointTarget,
        environ: Mapping[str, str],
        limits: Limits,
    ) -> None:
        self._client = client
        self._target = target
        self._environ = environ
        self._pages = Incident(_log, f"route {route}")
        self.slots = asyncio.Semaphore(limits.concurrency)
        self.pauses_s = limits.webhook_pauses_s

    async def send(self, parcel: Parcel) -> Attempt:
        """Send a webhook; it is delivered once it is answered by 2xx, whatever else is said."""
        began_at, began_s = datetime.now(UTC), time.monotonic()
        try:
            headers = self._headers(parcel, began_at)
            answer = await self._client.post(self._target, parcel.content, headers)
        except TargetError as error:
            why = f"{NOTHING_SENT}: {error}"
            return Attempt.unanswered(began_at, since_ms(began_s), why, Meaning.AWAY)
        except NoAnswerError as error:
            return Attempt.unanswered(began_at, since_ms(began_s), str(error), Meaning.AWAY)
        took_ms, status = since_ms(began_s), answer.status
        meaning, said = _meaning(status), answer.text[:ANSWER_CHARS_MAX]
        is_delivered = meaning is Meaning.DELIVERED
        problem = self._note(answer) if is_delivered else _problem(status, said)
        wait_s = retry_after_s(answer.retry_after)
        return Attempt(began_at, took_ms, status, said, meaning, _told(status), problem, wait_s)

    def _headers(self, parcel: Parcel, sent_at: datetime) -> dict[str, str]:
        signature = self._target.signer.signature(
            self._environ, parcel.webhook_id, sent_at, parcel.content
        )
        replay = {"raphus-replay": str(parcel.replay)} if parcel.replay else {}
        return {
            "content-type": "application/json",
            "webhook-id": parcel.webhook_id,
            "webhook-timestamp": str(int(sent_at.timestamp())),
            "webhook-signature": signature,
            "raphus-job": str(parcel.job_id),
            **replay,
        }

    def _note(self, answer: Answer) -> str:
        """Return what is odd about the answer to a webhook that was delivered, and log it."""
        if not answer.body.lstrip().lower().startswith(_PAGES):
            self._pages.end()
            return ""
        odd = f"the endpoint answered {answer.status} with a page of HTML: is it the right address?"
        self._pages.begin(odd)
        return f"delivered, but {odd}"


def _told(status: int) -> str:
    """Tell what an answer means, without its own words."""
    return ": ".join(filter(None, [f"it answers {status}", _why(status)]))


def _problem(status: int, said: str) -> str:
    """Tell what an answer means, with its own words."""
    return ": ".join(filter(None, [f"the endpoint answered {status}", _why(status), said]))


def _why(status: int) -> str:
    return _REDIRECT if 300 <= status < 400 else _WORDS.get(status, "")


async def _given(content: aiohttp.StreamReader) -> bytes:
    """Read the beginning of a body; if it does not come, the status has been told all the same."""
    try:
        async with asyncio.timeout(BODY_S_MAX):
            return await beginning(content, ANSWER_BYTES_MAX)
    except (TimeoutError, aiohttp.ClientError):
        return b""


def _meaning(status: int) -> Meaning:
    if 200 <= status < 300:
        return Meaning.DELIVERED
    if status == 410:
        return Meaning.GONE
    return Meaning.AWAY if status < 400 or status in _NOT_NOW else Meaning.FAILED
