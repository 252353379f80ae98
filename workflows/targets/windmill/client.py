"""The three calls to Windmill's API, and what each answer means."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec

from workflows.limits import ASKING_MAX
from workflows.targets.attempt import ANSWER_CHARS_MAX, Attempt, Meaning
from workflows.targets.http_answers import (
    KEEP_ALIVE_S,
    Answer,
    beginning,
    retry_after_s,
    session,
    since_ms,
    told,
)
from workflows.targets.target import (
    NoAnswerError,
    Outcome,
    OutcomeError,
    OversizeError,
    Sender,
    Way,
)
from workflows.targets.windmill.address import Address
from workflows.targets.windmill.declaration import WindmillTarget

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from workflows.limits import Limits
    from workflows.targets.surroundings import Windmill
    from workflows.targets.target import Parcel

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
ANSWER_BYTES_MAX: Final = 64 * 1024
RESULT_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of a job's result, which comes with its outcome. Windmill's own cloud takes half as much."""
BAD_REQUEST: Final = "Bad request: "
"""Begins what Windmill says of a mistake of ours. 400 is also how it answers when its own database
fails, in other words."""
_NOT_ABOUT_THE_JOB: Final[Mapping[str, str]] = {
    "Quota exceeded: ": "a limit of its plan is reached",
    f"{BAD_REQUEST}License key is not valid": "its licence is not valid",
    f"{BAD_REQUEST}Required scope: ": "the token lacks a scope",
    f"{BAD_REQUEST}missing required scope: ": "the token lacks a scope",
}
"""How a 400 begins that each job would get, and what it means. Windmill says it before it looks at
the job: windmill-queue/src/jobs.rs `push`, windmill-api/src/jobs.rs `check_license_key_valid`, and
`check_scopes`, which in newer versions answers 401 or 403."""
_TOKEN: Final[Mapping[int | None, str]] = {
    401: "it does not know the token",
    403: "the token may not do that",
}
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
"""What is not here has failed from 400 on; below it is not Windmill's. Of 400, see `send`."""


class WindmillClient(Sender[WindmillTarget]):
    """Talks to Windmill over a few connections that are kept open.

    It follows no redirect and keeps no cookie, and nothing of `.netrc` goes out. A proxy that the
    environment names is used, but for this machine itself.
    """

    def __init__(self, windmill: Windmill, limits: Limits) -> None:
        self._windmill = windmill
        self._timeout_s = limits.timeout_s
        self._slots = asyncio.Semaphore(limits.concurrency)
        connector = aiohttp.TCPConnector(
            limit=limits.concurrency + ASKING_MAX, keepalive_timeout=KEEP_ALIVE_S
        )
        self._http = session(connector, self._timeout_s)

    def way(self, route: str, target: WindmillTarget) -> Way:
        """Return the way to a script or flow; what is started by all of them shares the slots.

        Raises:
            TargetError: the address is not known.
        """
        return WindmillWay(self, Address.of(route, target, self._windmill), self._slots)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def ask(
        self,
        method: str,
        url: str,
        address: Address,
        content: bytes | None = None,
        bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Answer:
        """Send a request, and return what it is answered.

        Raises:
            NoAnswerError: nothing came that is one.
        """
        try:
            async with self._http.request(
                method,
                url,
                allow_redirects=False,
                data=content,
                headers=address.headers,
                proxy=_proxy_of(address.workspace_url),
            ) as response:
                body = await beginning(response.content, bytes_max)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoAnswerError(told(error, self._timeout_s)) from error
        return Answer(response.status, response.headers.get("retry-after", ""), body)


class WindmillWay(Way):
    """Starts jobs of one script or flow, and asks what has become of them."""

    called = "Windmill"
    takes_once = True

    def __init__(self, client: WindmillClient, address: Address, slots: asyncio.Semaphore) -> None:
        self._client = client
        self._address = address
        self.slots = slots

    async def send(self, parcel: Parcel) -> Attempt:
        """Start a job, unless it has been; Windmill refuses an id that it knows with 400.

        So does it other mistakes, and its words for an id that two requests bring at once are
        those of its database: whether the job is there tells the one from the other.
        """
        address = self._address
        began_at, began_s = datetime.now(UTC), time.monotonic()
        try:
            url = address.to_start(parcel.job_id)
            answer = await self._client.ask("POST", url, address, parcel.content)
            meaning = await self._meaning(parcel.job_id, answer)
        except NoAnswerError as error:
            why = address.masked(str(error))[:ANSWER_CHARS_MAX]
            return Attempt.unanswered(began_at, since_ms(began_s), why, Meaning.AWAY)
        took_ms, status = since_ms(began_s), answer.status
        said = address.masked(answer.text)[:ANSWER_CHARS_MAX]
        problem = "" if meaning is Meaning.STARTED else f"Windmill answered {status}: {said}"
        wait_s = retry_after_s(answer.retry_after)
        return Attempt(began_at, took_ms, status, said, meaning, _words(answer), problem, wait_s)

    async def outcome(self, job_id: UUID) -> Outcome | None:
        """Ask what became of a job; None while it has not ended, or nothing is known of it.

        Raises:
            NoAnswerError, OutcomeError: there was no answer that says it.
        """
        url = self._address.of_outcome(job_id)
        answer = await self._ask("GET", url, bytes_max=RESULT_BYTES_MAX + 1)
        if answer.status != 200:
            raise OutcomeError(f"Windmill answered {answer.status}")
        if len(answer.body) > RESULT_BYTES_MAX:
            raise OversizeError(f"its result is larger than {RESULT_BYTES_MAX} bytes")
        try:
            status = _decode_outcome(answer.body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise OutcomeError("Windmill's answer is not understood") from error
        if not status.completed:
            return None
        if status.success or await self._was_skipped(job_id):
            return Outcome(succeeded=True, problem=None)
        problem = self._address.masked(_problem(status.result))[:ANSWER_CHARS_MAX]
        return Outcome(succeeded=False, problem=problem)

    async def knows(self, job_id: UUID, refusal: str = "") -> bool:
        """Tell whether Windmill knows a job; `refusal` is what it said when it was to start it.

        It looks for the job first, and then at who asks (windmill-api/src/jobs.rs `get_job`): so
        to hide one is to know it. A 403 in other words is a proxy's, or a token's that may not
        ask: it tells nothing, unless the refusal was that the id is taken.

        Raises:
            NoAnswerError: there was no answer that says it.
        """
        answer = await self._ask("GET", self._address.to_find(job_id))
        if answer.status in {200, 404}:
            return answer.status == 200
        is_taken = refusal.startswith(f"{BAD_REQUEST}Job with id {job_id} already exists")
        if _is_hidden(job_id, answer) or (answer.status == 403 and is_taken):
            return True
        raise NoAnswerError(f"asked for the job, Windmill answered {answer.status}")

    async def _ask(self, method: str, url: str, bytes_max: int = ANSWER_BYTES_MAX) -> Answer:
        return await self._client.ask(method, url, self._address, bytes_max=bytes_max)

    async def _meaning(self, job_id: UUID, answer: Answer) -> Meaning:
        if answer.status != 400:
            # Anything below 400 but 201 comes from somebody who is not Windmill.
            unlisted = Meaning.FAILED if answer.status > 400 else Meaning.AWAY
            return _MEANINGS.get(answer.status, unlisted)
        if await self.knows(job_id, answer.text):
            return Meaning.STARTED
        if _not_about_the_job(answer.text):
            return Meaning.AWAY
        return Meaning.REFUSED if answer.text.startswith(BAD_REQUEST) else Meaning.FAILED

    async def _was_skipped(self, job_id: UUID) -> bool:
        """Tell whether a job without success is a flow that was skipped, which is no failure.

        With its result, only plain success is told (windmill-api/src/jobs.rs
        `get_completed_job_result_maybe`).
        """
        url = self._address.to_find(job_id)
        answer = await self._ask("GET", url, bytes_max=RESULT_BYTES_MAX)
        try:
            return answer.status == 200 and _decode_shown(answer.body).is_skipped is True
        except (msgspec.DecodeError, RecursionError):
            return False


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


@lru_cache(maxsize=64)  # the environment stays as it is
def _proxy_of(url: str) -> str | None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return None if host in LOOPBACK or proxy_bypass(host) else getproxies().get(parts.scheme)


def _words(answer: Answer) -> str:
    """Return what an answer means, without its own words."""
    is_about_all = answer.status == 400
    why = _not_about_the_job(answer.text) if is_about_all else _TOKEN.get(answer.status)
    return f"it answers {answer.status}{f': {why}' if why else ''}"


def _not_about_the_job(text: str) -> str | None:
    """Return what a 400 means that every job would get; None where it may be about the job."""
    known = _NOT_ABOUT_THE_JOB.items()
    return next((words for start, words in known if text.startswith(start)), None)


def _is_hidden(job_id: UUID, answer: Answer) -> bool:
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
