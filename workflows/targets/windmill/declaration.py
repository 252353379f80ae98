"""How a route names what it starts in Windmill: a script or a flow, by its path or whole URL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from workflows.targets.url_text import split_url
from workflows.transforms.escaping import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WINDMILL: Final = "windmill"
"""The name of the kind."""
REPLAY: Final = "raphus_replay"
"""The argument that tells a job it is started again, and for which time."""
PATH_CHARS_MAX: Final = 255
_PATH: Final = re.compile(r"(?:[uf]|hub)(?:/[A-Za-z0-9_@][A-Za-z0-9_.@-]*){2,}")
_HASH: Final = re.compile("[0-9A-Fa-f]{1,64}")
_VERSION_MAX: Final = 2**63 - 1
_RUNS: Final = re.compile(r"/api/w/[^/]+/jobs/(run/(?:p|f|h|fv)/.+)")


@dataclass(frozen=True)
class WindmillTarget:
    """What a route starts: `path` is what follows `/jobs/` in Windmill's API.

    `url` is the whole webhook URL where the merchant gave one. It may carry a token, and so is
    a secret: `shown` is for people.
    """

    path: str
    url: str | None = field(default=None, repr=False)

    @property
    def kind(self) -> str:
        """The name of its kind."""
        return WINDMILL

    @property
    def shown(self) -> str:
        """The target as it may be printed."""
        if self.url is None:
            return self.path
        parts = urlsplit(self.url)
        masked = "?token=…" if parts.query else ""
        return f"{parts.scheme}://{parts.netloc}{parts.path}{masked}"

    def content(self, made: bytes, fixed: Mapping[str, object], replay: int) -> bytes:
        """Return the arguments of a job, by name.

        What a transformation gave may quote a buyer, so it is escaped; then the fixed arguments,
        which mean what they say, take the place of those of the same name. `REPLAY` is there for
        what is replayed, and for no other reason but a fixed argument.

        Raises:
            NotAnObjectError: what was made is no JSON object.
        """
        safe = escaped(made)
        safe.pop(REPLAY, None)
        values: dict[str, object] = {**safe, **fixed}
        if replay > 0:
            values[REPLAY] = replay
        return msgspec.json.encode(values)


def _runnable(kind: str) -> Callable[[object], WindmillTarget]:
    def read(value: object) -> WindmillTarget:
        if not isinstance(value, str) or len(value) > PATH_CHARS_MAX or not _PATH.fullmatch(value):
            raise ValueError('must be a path in Windmill, such as "f/folder/name" or "u/user/name"')
        return WindmillTarget(f"run/{kind}/{value}")

    return read


def _script_hash(value: object) -> WindmillTarget:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise ValueError("must be the hash of a script's version: hexadecimal digits, in quotes")
    return WindmillTarget(f"run/h/{value}")


def _flow_version(value: object) -> WindmillTarget:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _VERSION_MAX:
        raise ValueError("must be the number of a flow's version")
    return WindmillTarget(f"run/fv/{value}")


# The messages quote nothing of the value, which may hold a token.
def _url(value: object) -> WindmillTarget:
    parts = split_url(value)
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
    return WindmillTarget(run[1], str(value))


TARGETS: Final[Mapping[str, Callable[[object], WindmillTarget]]] = {
    "script": _runnable("p"),
    "flow": _runnable("f"),
    "script_hash": _script_hash,
    "flow_version": _flow_version,
    "url": _url,
}
"""The keys that name a target, each with how it is read; a reader raises ValueError."""
