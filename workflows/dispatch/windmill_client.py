"""The three calls to Windmill's API, and what each answer means."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec

from workflows.dispatch.limits import LIMITS
from workflows.outbox.attempt import BAD_REQUEST, Attempt, Meaning, not_about_the_job
from workflows.outbox.table import NOTHING_SENT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from workflows.dispatch.address import Address

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
CONNECT_TIMEOUT_S: Final = 5.0
KEEP_ALIVE_S: Final = 30.0
ANSWER_CHARS_MAX: Final = 500
ANSWER_BYTES_MAX: Final = 64 * 1024
RESULT_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of a job's result, which comes with its outcome. Windmill's own cloud takes half as much."""
RETRY_AFTER_MAX_S: Final = 600.0


class Outcome(NamedTuple):
    """What became of a job that has ended; `problem` is Windmill's word for a failure."""

    succeeded: bool
    problem: str | None


class WindmillError(Exception):
    """Windmill gave no answer that is of use; the message tells why, and quotes no secret."""


class NoAnswerError(WindmillError):
    """It is not there, or what it sends is no answer."""


class OversizeError(WindmillError):
    """A job has ended with a result that is too large to be read."""


_MEANINGS: Final[Mapping[int, Meaning]] = {
    201: Meaning.STARTED,
    401: Meaning.AWAY,
    403: Meaning.AWAY,
    408: Meaning.AWAY,
    413: Meaning.REFUSED,
    415: Meaning.REFUSED,
    422: Meaning.REFUSED,
    425: Meaning.AWAY,
    429: Meaning.AWAY,
    502: Meaning.AWAY,
    503: Meaning.AWAY,
    504: Meaning.AWAY,
}
"""What is not here has failed from 400 on; below it is not Windmill's. Of 400, see `start`."""


class WindmillClient:
    """Talks to Windmill over a few connections that are kept open.

    It follows no redirect and keeps no cookie, and nothing of `.netrc` goes out. A proxy that the
    environment names is used, but for this machine itself.
    """

    def __init__(self, connections_max: int, timeout_s: float = LIMITS.timeout_s) -> None:
        self._timeout_s = timeout_s
        self._http = aiohttp.ClientSession(
            auto_decompress=False,
            connector=aiohttp.TCPConnector(limit=connections_max, keepalive_timeout=KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"accept-encoding": "identity", "user-agent": "raphus"},
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def start(self, address: Address, job_id: UUID, arguments: bytes) -> Attempt:
        """Start a job, unless it has been; Windmill refuses an id that it knows with 400.

        So does it other mistakes, and its words for an id that two requests bring at once are
        those of its database: whether the job is there tells the one from the other.
        """
        began_at, began_s = datetime.now(UTC), time.monotonic()
        status, retry_after_s = None, None
        try:
            answer = await self._ask("POST", address.to_start(job_id), address, arguments)
            meaning = await self._meaning(address, job_id, answer)
            status, said = answer.status, answer.text
            retry_after_s = _retry_after_s(answer.retry_after)
        except NoAnswerError as error:
            meaning, said = Meaning.AWAY, str(error)
        took_ms = round((time.monotonic() - began_s) * 1_000)
        shown = address.masked(said)[:ANSWER_CHARS_MAX]
        return Attempt(began_at, took_ms, status, shown, meaning, retry_after_s)

    async def outcome(self, address: Address, job_id: UUID) -> Outcome | None:
        """Ask what became of a job; None while it has not ended, or nothing is known of it.

        Raises:
            WindmillError: there was no answer that says it.
        """
        url = address.of_outcome(job_id)
        answer = await self._ask("GET", url, address, bytes_max=RESULT_BYTES_MAX + 1)
        if answer.status != 200:
            raise WindmillError(f"Windmill answered {answer.status}")
        if len(answer.body) > RESULT_BYTES_MAX:
            raise OversizeError(f"its result is larger than {RESULT_BYTES_MAX} bytes")
        try:
            status = _decode_outcome(answer.body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise WindmillError("Windmill's answer is not understood") from error
        if not status.completed:
            return None
        if status.success or await self._was_skipped(address, job_id):
            return Outcome(succeeded=True, problem=None)
        problem = address.masked(_problem(status.result))[:ANSWER_CHARS_MAX]
        return Outcome(succeeded=False, problem=problem)

    async def knows(self, address: Address, job_id: UUID, refusal: str = "") -> bool:
        """Tell whether Windmill knows a job; `refusal` is what it said when it was to start it.

        It looks for the job first, and then at who asks (windmill-api/src/jobs.rs `get_job`): so
        to hide one is to know it. A 403 in other words is a proxy's, or a token's that may not
        ask: it tells nothing, unless the refusal was that the id is taken.

        Raises:
            NoAnswerError: there was no answer that says it.
        """
        answer = await self._ask("GET", address.to_find(job_id), address)
        if answer.status in {200, 404}:
            return answer.status == 200
        is_taken = refusal.startswith(f"{BAD_REQUEST}Job with id {job_id} already exists")
        if _is_hidden(job_id, answer) or (answer.status == 403 and is_taken):
            return True
        raise NoAnswerError(f"asked for the job, Windmill answered {answer.status}")

    async def _meaning(self, address: Address, job_id: UUID, answer: _Answer) -> Meaning:
        if answer.status != 400:
            # Anything below 400 but 201 comes from somebody who is not Windmill.
            unlisted = Meaning.FAILED if answer.status > 400 else Meaning.AWAY
            return _MEANINGS.get(answer.status, unlisted)
        if await self.knows(address, job_id, answer.text):
            return Meaning.STARTED
        if not_about_the_job(answer.text):
            return Meaning.AWAY
        return Meaning.REFUSED if answer.text.startswith(BAD_REQUEST) else Meaning.FAILED

    async def _was_skipped(self, address: Address, job_id: UUID) -> bool:
        """Tell whether a job without success is a flow that was skipped, which is no failure.

        With its result, only plain success is told (windmill-api/src/jobs.rs
        `get_completed_job_result_maybe`).
        """
        url = address.to_find(job_id)
        answer = await self._ask("GET", url, address, bytes_max=RESULT_BYTES_MAX)
        try:
            return answer.status == 200 and _decode_shown(answer.body).is_skipped is True
        except (msgspec.DecodeError, RecursionError):
            return False

    async def _ask(
        self,
        method: str,
        url: str,
        address: Address,
        content: bytes | None = None,
        bytes_max: int = ANSWER_BYTES_MAX,
    ) -> _Answer:
        try:
            async with self._http.request(
                method,
                url,
                allow_redirects=False,
                data=content,
                headers=address.headers,
                proxy=_proxy_of(address.workspace_url),
            ) as response:
                body = await _beginning(response.content, bytes_max)
        except aiohttp.ConnectionTimeoutError as error:
            why = f"{NOTHING_SENT}: no connection within {CONNECT_TIMEOUT_S:g} s"
            raise NoAnswerError(why) from error
        except TimeoutError as error:
            raise NoAnswerError(f"no answer within {self._timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoAnswerError(_described(error)) from error
        return _Answer(response.status, response.headers.get("retry-after", ""), body)


class _Answer(NamedTuple):
    """An answer, and the beginning of its body."""

    status: int
    retry_after: str
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


class _JobStatus(msgspec.Struct):
    completed: bool
    success: bool | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")


class _Shown(msgspec.Struct):
    is_skipped: bool | None = None


class _Failure(msgspec.Struct):
    error: dict[str, Any]


_decode_outcome: Final = msgspec.json.Decoder(_JobStatus).decode
_decode_shown: Final = msgspec.json.Decoder(_Shown).decode
_decode_failure: Final = msgspec.json.Decoder(_Failure, float_hook=float).decode


async def _beginning(content: aiohttp.StreamReader, bytes_max: int) -> bytes:
    """Read a body, or so much of it; as it came, so that nothing can unfold into more."""
    body = bytearray()
    while len(body) < bytes_max and (part := await content.readany()):
        body += part
    return bytes(body[:bytes_max])


@lru_cache(maxsize=64)  # the environment stays as it is
def _proxy_of(url: str) -> str | None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return None if host in LOOPBACK or proxy_bypass(host) else getproxies().get(parts.scheme)


def _retry_after_s(said: str) -> float | None:
    if said.isascii() and said.isdigit():
        return min(float(said[:9]), RETRY_AFTER_MAX_S)
    try:
        wait_s = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(wait_s, 0.0), RETRY_AFTER_MAX_S)


def _described(error: Exception) -> str:
    # Of others, the text could quote what was to be sent.
    why = str(error) if isinstance(error, aiohttp.ClientConnectionError) else ""
    what = NOTHING_SENT if isinstance(error, aiohttp.ClientConnectorError) else "no answer"
    return ": ".join(filter(None, [what, type(error).__name__, why]))


def _is_hidden(job_id: UUID, answer: _Answer) -> bool:
    if answer.status == 400:
        return answer.text.startswith(f"{BAD_REQUEST}As a non logged in user")
    is_windmill = answer.text.startswith("Permission denied: ")
    return answer.status == 403 and is_windmill and str(job_id) in answer.text


def _problem(result: msgspec.Raw) -> str:
    try:
        error = _decode_failure(result).error
    except (msgspec.DecodeError, RecursionError):
        return "the job failed"
    said = ": ".join(str(error[part]) for part in ("name", "message") if error.get(part))
    return said or "the job failed"
