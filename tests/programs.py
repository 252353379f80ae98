"""Running programs: `raphus` as its users start it, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.http_server import SECRET
from tests.integration.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LIMIT_S: Final = 90.0
_LISTENS: Final = re.compile(r"listens on (http://\S+);")


@dataclass(frozen=True)
class Program:
    """A server in a process; `log` is where it writes what it has to say."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str

    def said(self) -> str:
        """Return what it has said so far."""
        return self.log.read_text("utf-8")


def environment(**settings: str) -> dict[str, str]:
    """Return an environment with these settings of Raphus and no others."""
    ours = ("DODO_", "RAPHUS_", "DATABASE_URL", "HOST", "PORT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | settings


def raphus(*arguments: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "-m", "api.cli", *arguments]
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


@contextmanager
def serving(log: Path, **settings: str) -> Iterator[Program]:
    """Run `raphus serve` on a free port until the block ends, and then end it politely."""
    environ = environment(**{"DODO_PAYMENTS_WEBHOOK_KEY": SECRET, "PORT": "0"} | settings)
    command = [sys.executable, "-m", "api.cli", "serve"]
    with log.open("wb") as stderr, subprocess.Popen(command, env=environ, stderr=stderr) as process:
        try:
            until(lambda: process.poll() is not None or _url(log) != "", limit_s=LIMIT_S)
            assert process.poll() is None, log.read_text("utf-8")
            yield Program(process, log, _url(log))
        finally:
            process.terminate()
            process.wait(LIMIT_S)


def _url(log: Path) -> str:
    found = _LISTENS.search(log.read_text("utf-8"))
    return found[1] if found else ""
