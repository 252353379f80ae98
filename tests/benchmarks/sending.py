"""Requests sent as fast as they are answered: by wrk where it is installed, else by our own."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.benchmarks.load import drive

if TYPE_CHECKING:
    from collections.abc import Sequence

_WRK: Final = shutil.which("wrk")
SENT_BY: Final = "wrk" if _WRK else "our own generator"
"""Who sends; wrk leaves more of the machine to the server."""
_SCRIPT: Final = Path(__file__).with_name("requests.lua")
_ALL_ANSWERED: Final = "all answered\n"
_TOLD: Final = re.compile(r"^answered (\d+) in (\d+) us, (\d+) failed$", re.MULTILINE)
_AT_MOST_S: Final = 120


def per_s(port: int, requests: Sequence[bytes], clients: int) -> float:
    """Send each request once to loopback, and return how many were answered a second.

    Raises:
        RuntimeError: not every answer was a success.
    """
    if _WRK is None:
        return drive(port, requests, clients).requests_per_s
    with tempfile.NamedTemporaryFile() as file:
        file.writelines(b"%8d%b" % (len(one), one) for one in requests)
        file.flush()
        options = ["-t1", f"-c{clients}", f"-d{_AT_MOST_S}s", f"--timeout={_AT_MOST_S}s"]
        url = f"http://127.0.0.1:{port}/"
        return answered_per_s(
            _said([_WRK, *options, f"-s{_SCRIPT}", url, "--", file.name]), len(requests)
        )


def _said(command: list[str]) -> str:
    """Run wrk until all is answered; its clock runs until it is interrupted."""
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as wrk:
        assert wrk.stdout is not None
        for line in wrk.stdout:
            lines.append(line)
            if line == _ALL_ANSWERED:
                wrk.send_signal(signal.SIGINT)
    return "".join(lines)


def answered_per_s(said: str, requests: int) -> float:
    """Read what wrk says in the end with our script, where so many requests were sent.

    Raises:
        RuntimeError: not every answer was a success.
    """
    told = _TOLD.search(said)
    if told is None or (int(told[1]), int(told[3])) != (requests, 0):
        raise RuntimeError(f"wrk did not get {requests} successes: {said}")
    return 1e6 * requests / int(told[2])
