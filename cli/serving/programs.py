"""The programs of a server that is made up of several processes, and what each is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from cli.settings import Settings
from telemetry.kept_process import Program

HTTP_WORKER: Final = Program("cli.serving.http_worker", "takes requests", end_s=30.0)
FOLLOWER: Final = Program("cli.serving.follower", "follows the log", end_s=10.0)
RECONCILER: Final = Program("cli.serving.reconciler", "asks Dodo what was lost", end_s=5.0)


class Served(msgspec.Struct):
    """What a process of the server is told: the settings, with the API key, and the database.

    Those that take requests are so many `workers` on one socket, by its descriptor, and share a
    `secret`.
    """

    settings: Settings
    conninfo: str
    workers: int
    socket: int
    secret: str


def told(served: Served) -> bytes:
    """Return it as a process is told it."""
    return msgspec.json.encode(served, enc_hook=str)


def read(line: bytes) -> Served:
    """Return it as it was told."""
    return msgspec.json.decode(line, type=Served, dec_hook=_path)


def _path(type_: type, name: Any) -> Path:  # noqa: ANN401 -- JSON
    if type_ is not Path:
        raise NotImplementedError
    return Path(name)
