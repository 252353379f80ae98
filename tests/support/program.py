"""`raphus` as a user starts it, in an environment of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import textwrap
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from api.webhooks.endpoint import PATH
from cli.key_file import kept_in
from postgres.embedded.processes import exists, is_server
from tests.support import prepared
from tests.support.http_server import SECRET, asked, signed
from tests.support.quick_client import QuickClient
from tests.support.samples import PROJECT
from tests.support.waiting import GUARD_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

RAPHUS: Final = Path(sys.executable).with_name("raphus")
"""The command that the project's installation makes."""
_LISTENS: Final = re.compile(r"listens on (http://\S+);")
_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody, and so is made at once: none of the servers speaks TLS."""


def environment(home: Path, **settings: str) -> dict[str, str]:
    """Return all that a program sees of the environment; a setting of "" is left out.

    A server is one process, which starts soonest.
    """
    given = {
        "DODO_PAYMENTS_WEBHOOK_KEY": SECRET,
        "LC_ALL": "C.UTF-8",
        "PATH": os.defpath,
        "PORT": "0",
        "RAPHUS_HOME": str(home),
        "RAPHUS_WORKERS": "0",
        **settings,
    }
    return {name: value for name, value in given.items() if value}


def raphus(
    *arguments: str, env: Mapping[str, str], code: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; with packages of a folder in place of the program's own."""
    if code is None and not any(name.startswith("PYTHON") for name in env):
        return prepared.run(arguments, env, GUARD_S)
    command = [sys.executable, "-P", "-m", "cli"]
    return _run([*command, *arguments], env if code is None else {**env, "PYTHONPATH": str(code)})


def begun(*arguments: str, env: Mapping[str, str]) -> prepared.Started:
    """Begin a command of which nothing is read, and which the end of a block kills."""
    command = prepared.Command(list(arguments), dict(env), str(Path.cwd()))
    return prepared.Started(command, [os.open(os.devnull, os.O_RDWR) for _ in range(3)])


def installed(*arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end as a user does, from the start of the interpreter on."""
    return _run([RAPHUS, *arguments], env)


def _run(command: Sequence[str | Path], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, check=False, encoding="utf-8", env=env, timeout=GUARD_S
    )


def unread(*arguments: str, env: Mapping[str, str]) -> tuple[int, bytes]:
    """Run a command whose reader has gone; return its exit code and what it says of it."""
    with subprocess.Popen(
        [RAPHUS, *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        return process.wait(GUARD_S), said


def copied_code(folder: Path, *packages: str) -> Path:
    """Copy packages of the program, to be changed; `raphus` takes them in place of its own."""
    for package in packages:
        shutil.copytree(PROJECT / package, folder / package)
    return folder


def code_on(page: str, language: str) -> str:
    """Return the first code in a language on a page of the docs."""
    text = (PROJECT / "docs" / page).read_text("utf-8")
    found = re.search(rf"^ *```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return textwrap.dedent(found[1])


class Program:
    """`raphus serve`: started, stopped or killed, and started again, each time on a free port."""

    def __init__(self, env: Mapping[str, str], log: Path) -> None:
        self._env = env
        self._log = log
        self._process: subprocess.Popen[bytes] | prepared.Started | None = None
        self._said_before = 0
        self.url = ""
        """Where it listens, or last listened."""
        self.is_installed = False
        """Whether it starts as a user starts it, from the start of the interpreter on."""
        self.files_max: int | None = None
        """How many files it may open at the same time; by default as many as this process."""

    @property
    def said(self) -> str:
        """All that it has written to standard error, in all of its lives."""
        return self._log.read_text("utf-8")

    @property
    def runs(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process that was started last."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it says where it listens."""
        self.begin()
        self.await_listening()

    def begin(self) -> None:
        """Start it, and wait for nothing."""
        assert not self.runs
        with self._log.open("ab") as log:
            self._said_before = log.tell()
            self._process = self._begun(log.fileno())

    def _begun(self, errors: int) -> subprocess.Popen[bytes] | prepared.Started:
        if self.is_installed:
            return subprocess.Popen([RAPHUS, "serve"], env=self._env, stderr=errors)
        command = prepared.Command(["serve"], dict(self._env), str(Path.cwd()), self.files_max)
        return prepared.Started(command, [os.dup(0), os.dup(1), os.dup(errors)])

    def await_listening(self) -> None:
        """Wait until it says where it listens."""
        until(lambda: self._announced() or not self.runs)
        match = self._announced()
        assert match is not None, self.said
        self.url = match[1]

    def _announced(self) -> re.Match[str] | None:
        return _LISTENS.search(self.said_lately)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait until it has ended; return its exit code."""
        assert self._process is not None
        return self._process.wait(GUARD_S)

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it without a chance to clean up."""
        self.signal(signal.SIGKILL)
        self.wait()

    @property
    def said_lately(self) -> str:
        """What it has written to standard error since it was started last."""
        return self._log.read_bytes()[self._said_before :].decode()

    @property
    def key(self) -> str:
        """The key to read with: the one that it was given, or has made."""
        given = self._env.get("RAPHUS_API_KEY")
        return given or kept_in(Path(self._env["RAPHUS_HOME"])).read_text("utf-8").strip()

    def client(self, **headers: str) -> httpx.Client:
        """Make a client of it, as it runs now, with its key unless there are other headers."""
        return client(self.url, **(headers or {"authorization": f"Bearer {self.key}"}))

    def get(self, path: str, **query: str | int) -> Any:  # noqa: ANN401 -- JSON
        """Ask what must be answered, and return the answer."""
        with self.client() as made:
            return asked(made, path, **query)


@contextmanager
def program(home: Path, **settings: str) -> Iterator[Program]:
    """Give a program that has not been started; if it runs in the end, it must end in order."""
    made = Program(environment(home, **settings), home.with_name(f"{home.name}.stderr"))
    try:
        yield made
        if made.runs:
            assert made.stop() == 0, made.said
    finally:
        if made.runs:
            made.kill()


@contextmanager
def serving(home: Path, **settings: str) -> Iterator[Program]:
    """Give a program that listens."""
    with program(home, **settings) as made:
        made.start()
        yield made


def processes_of(server: Program, does: str = "") -> list[int]:
    """Return the processes that it has started and that have not died, those that do something."""
    said = server.said_lately
    begun = re.findall(rf"process (\d+) {does or '.+'}$", said, re.MULTILINE)
    return [pid for pid in map(int, begun) if not has_ended(pid)]


def has_ended(pid: int) -> bool:
    """Tell whether a process has ended; one that nobody has waited for has."""
    return not exists(pid)


def client(url: str = "", **headers: str) -> httpx.Client:
    """Make a client that never gives up on a busy machine, but does on a server that hangs."""
    return QuickClient(url, headers=headers, timeout=GUARD_S, verify=_NO_TLS)


def posted(
    client: httpx.Client, body: bytes, webhook_id: str, secret: str = SECRET
) -> httpx.Response:
    """Deliver a body."""
    return client.post(PATH, content=body, headers=signed(body, webhook_id, secret))


def has_caught_up(client: httpx.Client) -> bool:
    """Tell whether the server is ready, and its read models show all of the log."""
    response = client.get("/readyz")
    if response.status_code != 200:
        return False
    ready = response.json()
    return bool(ready["log_position"] == ready["projected_position"])


def postmaster_of(home: Path) -> int:
    """Wait for the PostgreSQL server that runs in a home, and return its pid.

    One that was killed just now may not have been started again yet.
    """
    return until(lambda: _postmasters_of(home / "postgres" / "data"))[0]


def _postmasters_of(data: Path) -> list[int]:
    with suppress(FileNotFoundError):
        written = (data / "postmaster.pid").read_text("utf-8").splitlines(keepends=True)[:1]
        # It may be being written.
        pids = [int(line) for line in written if line.endswith("\n")]
        return [pid for pid in pids if is_server(pid, data)]
    return []
