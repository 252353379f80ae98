"""What the stand-in is told, and what it records."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from tests.support.windmill_stand_in.worker import Worker

WORKSPACE: Final = "shop"
TOKEN: Final = "a-token-that-tests-know"
SECRET: Final = "whsec_dGhlIHNlY3JldCBvZiBvbmUgZW5kcG9pbnQ="

Fault = Literal[
    "error",
    "bad_gateway",
    "too_many",
    "unavailable",
    "page",
    "slow",
    "gateway_timeout",
    "cut_before",
    "cut_after",
    "invalid",
    "quota",
    "licence",
    "scope",
    "forbidden",
    "too_large",
    "echo",
    "endless",
    "drip",
    "unauthorized",
    "gone",
    "redirect",
]
"""What may happen to a request. The job is accepted, and the client does not know it, after a
`gateway_timeout`, a `cut_after`, and a `slow` that the client does not wait for. `page` is the
200 of a front end that is no Windmill, `echo` an error that repeats the request's headers. Of
`endless` and `drip` the answer has no end: one comes as fast as it can, the other very slowly.
What an endpoint alone does: `unauthorized`, `gone`, and a `redirect` to where it would be taken."""


Reads = Literal["all", "hidden", "anonymous", "blocked"]
"""What the token may read: all jobs; none, and Windmill says so; none, as if there were no token;
or a proxy in front lets no such question through."""


class Behaviour(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the stand-in does from now on.

    `faults` are probabilities; the same seed gives the n-th request for the same job the same
    fate, whatever the order of arrival. `failing` has a fault for each request that starts a job
    with a certain text in its body. `deployed` lists what can be started, as `p/f/raphus/x`;
    None is everything. A job is completed `run_s` after it was accepted: with the result of its
    path, or failed with the error object of its path or since its arguments cannot be had, or a
    flow whose path is among the `skipped` ones, which is success with its result. An endpoint
    verifies webhooks with its `secrets`.
    """

    token: str = TOKEN
    delay_s: float = 0.0
    slow_s: float = 5.0
    retry_after_s: int = 1
    down: Literal["no", "refusing", "unavailable"] = "no"
    faults: dict[Fault, float] = {}
    failing: dict[str, Fault] = {}
    seed: int = 0
    deployed: list[str] | None = None
    run_s: float = 0.0
    results: dict[str, Any] = {}
    errors: dict[str, dict[str, str]] = {}
    skipped: list[str] = []
    reads: Reads = "all"
    worker: Worker = Worker()
    secrets: tuple[str, ...] = (SECRET,)


class Job(msgspec.Struct, frozen=True):
    """An accepted job; `kind` is p, f, h or fv.

    `arguments` are those that were sent, `taken` those that the worker calls `entrypoint` with:
    None where it cannot make them. The clock is `time.monotonic`, which all processes of a
    machine share.
    """

    id: str
    kind: str
    path: str
    arguments: dict[str, Any]
    accepted_at_s: float
    entrypoint: str = "main"
    taken: dict[str, Any] | None = None


class Request(msgspec.Struct):
    """A request to the public address, and what became of it; `status` is 0 for no answer.

    Of a request to an endpoint headers and body are kept, and how often it was handled before.
    """

    method: str
    path: str
    query: dict[str, str]
    job_id: str
    received_at_s: float
    fault: Fault | None = None
    status: int = 0
    headers: dict[str, str] = {}
    body: bytes = b""
    is_repeated: bool = False
