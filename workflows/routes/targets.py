"""What a route starts in Windmill, a script or a flow, by its path or a whole URL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

URL_CHARS_MAX: Final = 2_000
PATH_CHARS_MAX: Final = 255
_PATH: Final = re.compile(r"(?:[uf]|hub)(?:/[A-Za-z0-9_@][A-Za-z0-9_.@-]*){2,}")
_HASH: Final = re.compile("[0-9A-Fa-f]{1,64}")
_VERSION_MAX: Final = 2**63 - 1
_RUNS: Final = re.compile(r"/api/w/[^/]+/jobs/(run/(?:p|f|h|fv)/.+)")


@dataclass(frozen=True)
class Target:
    """What a route starts: `path` is what follows `/jobs/` in Windmill's API.

    `url` is the whole webhook URL where the merchant gave one. It may carry a token, and so is
    a secret: `shown` is for people.
    """

    path: str
    url: str | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """The target as it may be printed."""
        if self.url is None:
            return self.path
        parts = urlsplit(self.url)
        masked = "?token=…" if parts.query else ""
        return f"{parts.scheme}://{parts.netloc}{parts.path}{masked}"


def _runnable(kind: str) -> Callable[[object], Target]:
    def read(value: object) -> Target:
        if not isinstance(value, str) or len(value) > PATH_CHARS_MAX or not _PATH.fullmatch(value):
            raise ValueError('must be a path in Windmill, such as "f/folder/name" or "u/user/name"')
        return Target(f"run/{kind}/{value}")

    return read


def _script_hash(value: object) -> Target:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise ValueError("must be the hash of a script's version: hexadecimal digits, in quotes")
    return Target(f"run/h/{value}")


def _flow_version(value: object) -> Target:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _VERSION_MAX:
        raise ValueError("must be the number of a flow's version")
    return Target(f"run/fv/{value}")


# The messages quote nothing of the value, which may hold a token.
def _url(value: object) -> Target:
    parts = _split(value)
    run = _RUNS.search(parts.path)
    if "/run_wait_result/" in parts.path:
        raise ValueError(
            "must be the asynchronous URL, with /jobs/run/ in it: one with /jobs/run_wait_result/"
            " does not tell whether a job has failed"
        )
    if run is None:
        raise ValueError(
            "must be the webhook URL of a script or a flow, such as"
            " https://HOST/api/w/WORKSPACE/jobs/run/p/f/folder/name?token=TOKEN"
        )
    if "token" not in parse_qs(parts.query):
        raise ValueError("must end with its token, ?token=…; without one, use script or flow")
    return Target(run[1], str(value))


def _split(value: object) -> SplitResult:
    wanted = "must be a whole URL, beginning with https:// or http://"
    if not isinstance(value, str) or len(value) > URL_CHARS_MAX:
        raise ValueError(f"{wanted}, of {URL_CHARS_MAX} characters at most")
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError(f"{wanted}, without spaces; other than ASCII characters are written %XX")
    try:
        parts = urlsplit(value)
        is_usable = parts.scheme in {"https", "http"} and parts.hostname and parts.port != 0
    except ValueError:
        raise ValueError(f"{wanted}, with a host and perhaps a port") from None
    if not is_usable:
        raise ValueError(f"{wanted}, with a host and perhaps a port")
    if parts.username is not None or parts.fragment:
        raise ValueError("must be a URL without user name, password and #…")
    return parts


TARGETS: Final[Mapping[str, Callable[[object], Target]]] = {
    "script": _runnable("p"),
    "flow": _runnable("f"),
    "script_hash": _script_hash,
    "flow_version": _flow_version,
    "url": _url,
}
"""The keys that name a target, each with how it is read; a reader raises ValueError."""
