"""Windmill, as far as it is stood in for: which jobs it knows, and what it answers."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import Counter
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from tests.support.windmill_stand_in.door import Answer, Asked, Door
from tests.support.windmill_stand_in.model import WORKSPACE, Behaviour, Fault, Job, Request
from tests.support.windmill_stand_in.worker import ArgumentsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

_RECORDED_MAX: Final = 1_000_000
_KINDS: Final = {"p": "script", "f": "flow", "h": "script", "fv": "flow"}
_GATEWAY: Final = b"<html><head><title>Bad Gateway</title></head><body>nginx</body></html>"
_REFUSALS: Final[dict[Fault | None, Answer]] = {
    "error": Answer(500, b"Internal: pool timed out while waiting for a connection @jobs.rs:1"),
    "bad_gateway": Answer(502, _GATEWAY, "text/html"),
    "too_many": Answer(429, b"Too many requests"),
    "unavailable": Answer(503, b"upstream connect error"),
    "invalid": Answer(400, b"Bad request: the arguments do not match @jobs.rs:1"),
    "quota": Answer(
        400,
        b"Quota exceeded: Workspace shop has exceeded the jobs in queue limit of 1000 that applies"
        b" outside of premium workspaces.",
    ),
    "licence": Answer(
        400,
        b"Bad request: License key is not valid. Go to your superadmin settings to update your"
        b" license key.",
    ),
    "scope": Answer(400, b"Bad request: Required scope: jobs:run:scripts:f/raphus/all"),
    "forbidden": Answer(403, b"Permission denied: this token may not run it"),
    "too_large": Answer(413, b"length limit exceeded"),
    "endless": Answer(500, b"", endless_pause_s=0.0),
    "drip": Answer(500, b"", endless_pause_s=0.05),
    "page": Answer(200, b"<!doctype html><html><body>Welcome</body></html>", "text/html"),
}
_GATEWAY_TIMEOUT: Final = Answer(504, _GATEWAY, "text/html")
_UNAUTHORIZED: Final = Answer(401, b"Not authorized: Unauthorized")
_NOT_THERE: Final = Answer(404, b"")
_ANONYMOUS: Final = Answer(
    400, b"Bad request: As a non logged in user, you can only see jobs ran by anonymous users"
)
_BLOCKED: Final = Answer(403, b"<html><body>403 Forbidden</body></html>", "text/html")
_DUPLICATE_KEY: Final = Answer(
    400, b"SqlErr: duplicate key value violates unique constraint @jobs.rs:1"
)


class Windmill:
    """The jobs, behind a public door; and a door for whoever directs."""

    answers: ClassVar[Mapping[Fault | None, Answer]] = _REFUSALS
    """To requests that meet a fault."""

    def __init__(self, tls: SSLContext | None = None) -> None:
        self._behaviour = Behaviour()
        self._jobs: list[Job] = []
        self._known: dict[str, Job] = {}
        self._requests: list[Request] = []
        self._forced: list[tuple[Fault, str]] = []
        self._tries: Counter[tuple[str, str, str]] = Counter()
        self.door = Door(self._answer, tls)
        self.control = Door(self._obey)

    async def _answer(self, asked: Asked) -> Answer | None:
        request = self._request(asked)
        job_id = request.job_id
        assert len(self._requests) < _RECORDED_MAX
        self._requests.append(request)
        request.fault = fault = self._fault(asked, job_id)
        if fault == "cut_before":
            return None
        known_before = job_id in self._known
        await asyncio.sleep(self._behaviour.delay_s)
        if fault == "echo":
            told = Answer(500, repr(asked.headers).encode())
        else:
            told = self.answers.get(fault) or self._route(asked, known_before=known_before)
        answer = await self._after(fault, told)
        if answer is not None:
            request.status = answer.status
        return answer

    def _request(self, asked: Asked) -> Request:
        job_id = asked.query.get("job_id", "")
        return Request(asked.method, asked.path, asked.query, job_id, time.monotonic())

    async def _after(self, fault: Fault | None, answer: Answer) -> Answer | None:
        match fault:
            case "too_many":
                return answer._replace(retry_after_s=self._behaviour.retry_after_s)
            case "gateway_timeout":
                return _GATEWAY_TIMEOUT
            case "cut_after":
                return None
            case "slow":
                await asyncio.sleep(self._behaviour.slow_s)
            case _:
                pass
        return answer

    def _fault(self, asked: Asked, job_id: str) -> Fault | None:
        if self._behaviour.down == "unavailable":
            return "unavailable"
        for place, (forced, path) in enumerate(self._forced):
            if asked.method == "POST" and (not path or asked.path.endswith(f"/{path}")):
                del self._forced[place]
                return forced
        for text, fault in self._behaviour.failing.items():
            if asked.method == "POST" and text.encode() in asked.body:
                return fault
        return self._drawn(asked, job_id) if self._behaviour.faults else None

    def _drawn(self, asked: Asked, job_id: str) -> Fault | None:
        what = asked.method, asked.path, job_id
        self._tries[what] += 1
        seed = f"{self._behaviour.seed} {what} {self._tries[what]}"
        drawn = random.Random(seed).random()
        for fault, probability in self._behaviour.faults.items():
            drawn -= probability
            if drawn < 0:
                return fault
        return None

    def _route(self, asked: Asked, *, known_before: bool) -> Answer:
        match asked.method, asked.path.split("/", 7):
            case "POST", ["", "api", "w", workspace, "jobs", "run", kind, path] if kind in _KINDS:
                if workspace != WORKSPACE or not self._is_permitted(asked):
                    return _UNAUTHORIZED
                return self._refused(kind, path, asked) or self._start(
                    kind, path, asked, known_before=known_before
                )
            case "GET", ["", "api", "w", _, "jobs_u", "get", job_id]:
                return self._shown(job_id, asked)
            case "GET", ["", "api", "w", _, "jobs_u", "completed", "get_result_maybe", job_id]:
                return self._outcome(job_id, asked)
            case _:
                return _NOT_THERE

    def _is_permitted(self, asked: Asked) -> bool:
        bearer = asked.headers.get(b"authorization", b"").decode("latin-1")
        given = bearer.removeprefix("Bearer ") if bearer else asked.query.get("token")
        return given == self._behaviour.token

    def _refused(self, kind: str, path: str, asked: Asked) -> Answer | None:
        if not _is_uuid(asked.query.get("job_id", str(uuid.UUID(int=0)))):
            return Answer(400, b"Failed to deserialize query string: UUID parsing failed")
        media_type = asked.headers.get(b"content-type", b"application/json")
        if not media_type.startswith(b"application/json"):
            return Answer(415, b"")
        try:
            msgspec.json.decode(asked.body or b"{}")
        except msgspec.DecodeError as error:
            return Answer(400, f"Bad request: invalid json: {error}".encode())
        deployed = self._behaviour.deployed
        if deployed is not None and f"{kind}/{path}" not in deployed:
            return Answer(404, f"Not found: deployed script not found at name {path}".encode())
        return None

    def _start(self, kind: str, path: str, asked: Asked, *, known_before: bool) -> Answer:
        job_id = asked.query.get("job_id") or str(uuid.uuid4())
        if job_id in self._known:
            known = Answer(400, f"Bad request: Job with id {job_id} already exists".encode())
            return known if known_before else _DUPLICATE_KEY
        given = msgspec.json.decode(asked.body or b"{}")
        arguments = given if isinstance(given, dict) else {"body": given}
        try:
            entrypoint, taken = self._behaviour.worker.called(arguments)
        except ArgumentsError:
            entrypoint, taken = "", None
        job = Job(job_id, kind, path, arguments, time.monotonic(), entrypoint, taken)
        self._known[job_id] = job
        self._jobs.append(job)
        return Answer(201, job_id.encode())

    def _shown(self, job_id: str, asked: Asked) -> Answer:
        if self._behaviour.reads == "blocked":
            return _BLOCKED
        job = self._known.get(job_id)
        if job is None:
            return Answer(404, f"Not found: Job not found at name {job_id}".encode())
        if hidden := self._hidden(job, asked):
            return hidden
        completed, success, result = self._ended(job)
        shown = {
            "type": "CompletedJob" if completed else "QueuedJob",
            "workspace_id": WORKSPACE,
            "id": job.id,
            "script_path": job.path,
            "job_kind": _KINDS[job.kind],
            "args": job.arguments,
            "canceled": False,
        }
        is_skipped = job.path in self._behaviour.skipped
        ended = {"success": success or is_skipped, "is_skipped": is_skipped, "result": result}
        left_out = {"no_logs": "logs", "no_code": "raw_code"}
        long = {key: "…" for name, key in left_out.items() if asked.query.get(name) != "true"}
        return _json({**shown, **long, **(ended if completed else {"running": True})})

    def _outcome(self, job_id: str, asked: Asked) -> Answer:
        if self._behaviour.reads == "blocked":
            return _BLOCKED
        job = self._known.get(job_id)
        completed, success, result = self._ended(job) if job else (False, False, None)
        if job is None or not completed:
            return _json({"started": None, "success": None, "completed": False, "result": None})
        if hidden := self._hidden(job, asked):
            return hidden
        return _json({"started": True, "success": success, "completed": True, "result": result})

    def _hidden(self, job: Job, asked: Asked) -> Answer | None:
        if self._behaviour.reads == "anonymous" or not self._is_permitted(asked):
            return _ANONYMOUS
        if self._behaviour.reads == "hidden":
            why = f"You do not have access to run {job.id}. Ask a user who can see it to open the"
            return Answer(403, f"Permission denied: {why} run and share a link".encode())
        return None

    def _ended(self, job: Job) -> tuple[bool, bool, object]:
        completed = time.monotonic() >= job.accepted_at_s + self._behaviour.run_s
        error = self._behaviour.errors.get(job.path)
        if error is not None:
            return completed, False, {"error": error}
        if job.taken is None:
            return completed, False, {"error": {"name": "ExecutionErr", "message": "arguments"}}
        # Of a skipped flow, success is denied where the result is told.
        success = job.path not in self._behaviour.skipped
        return completed, success, self._behaviour.results.get(job.path)

    async def _obey(self, asked: Asked) -> Answer:
        match asked.path:
            case "/_jobs":
                return _json(self._jobs)
            case "/_requests":
                return _json(self._requests)
            case "/_behave":
                await self._behave(msgspec.json.decode(asked.body, type=dict[str, object]))
            case "/_fail":
                self._forced += msgspec.json.decode(asked.body, type=list[tuple[Fault, str]])
            case "/_forget":
                self._known.clear()
            case _:
                return _NOT_THERE
        return _json(None)

    async def _behave(self, changes: dict[str, object]) -> None:
        changed = {**msgspec.to_builtins(self._behaviour), **changes}
        self._behaviour = msgspec.convert(changed, Behaviour)
        if self._behaviour.down == "refusing":
            self.door.shut()
        else:
            await self.door.open()


def _json(value: object) -> Answer:
    return Answer(200, msgspec.json.encode(value), "application/json")


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
