"""Runs `raphus`, or what it starts, in processes forked from one that has loaded the program.

That is most of what they take. Each has the arguments, environment, directory and streams that it
is given, signals and an exit code. All that it does not do itself is to load the program, and to
take that apart in the end: the memory it is in would have to be copied first.

So are the processes that such a process starts: those that a server keeps running, upkeep, and
what folds the log for a rebuild. Workers ask one that has loaded the program for all of them.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn

import msgspec

import api.upkeep
import cli
from api.app import application
from api.http.auth import OpenOnLoopback
from api.webhooks.verifier import Verifier
from cli.parser import parser
from console.catalogue import console
from console.rendering.environment import environment
from projections.batches import batches, kind_of
from projections.read_models.catalogue import READ_MODELS
from projections.rebuild import workers
from telemetry import child, kept_process
from telemetry.interpreter import loading
from tests.support.histories import aggregates, delivery
from tests.support.samples import PROJECT, samples
from tests.support.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

_MESSAGE_BYTES_MAX: Final = 64 * 1024
_READ_BYTES: Final = 64 * 1024
_FILES: Final = 4
"""Standard input, output and errors, and where its pid and its exit code go."""
_FILES_MAX: Final = 16
_LOADED_LATE: Final = (
    "aiohttp",
    "cli.serving.follower",
    "cli.serving.one_process",
    "cli.serving.reconciler",
    "cli.serving.supervisor",
    "encodings.idna",
    "encodings.utf_8_sig",
    "uvloop",
    "workflows.targets.endpoint.client",
    "workflows.targets.windmill.client",
    "workflows.worker_process",
)
"""What a process loads only if it is to do that."""
_SECRET: Final = "whsec_c2VjcmV0"
_lent: Final[list[str]] = []
_OUT_OF_THE_WAY: Final = 128
"""Files come under numbers that others of them may be to have."""


class Command(msgspec.Struct):
    """What a process is to do, and where."""

    arguments: list[str]
    env: dict[str, str]
    directory: str
    files_max: int | None = None
    """How many files it may open at the same time; by default as many as this process."""
    module: str = cli.__name__
    """Whose `main` it runs."""
    files: list[int] = []
    """The numbers of what it inherits beside the standard streams."""
    has_own_group: bool = False
    """Whether it leads a group of processes."""


def run(
    arguments: Sequence[str], env: Mapping[str, str], limit_s: float
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end.

    Raises:
        TimeoutError: it has not ended in time, and is killed.
    """
    command = Command(list(arguments), dict(env), str(Path.cwd()))
    with ExitStack() as stack:
        pipes = [os.pipe() for _ in range(_FILES - 1)]
        files = [stack.enter_context(os.fdopen(read, "rb", 0)) for read, _ in pipes]
        _prepared().begin(command, [os.dup(0), *(write for _, write in pipes)])
        output, errors, told = _read(files, time.monotonic() + limit_s)
    _, code = told.split()
    return subprocess.CompletedProcess(list(arguments), int(code), output.decode(), errors.decode())


class Started:
    """A command that is under way, with the methods of `subprocess.Popen`."""

    def __init__(
        self, command: Command, files: Sequence[int], prepared: Prepared | None = None
    ) -> None:
        """Start it. Its standard streams and other files become its own, and are closed here."""
        read, write = os.pipe()
        self._told = os.fdopen(read, "rb", 0)
        (prepared or _prepared()).begin(command, [*files, write])
        self.pid = int(self._told.readline())
        self._ends = select.poll()
        self._ends.register(self._told, select.POLLIN)
        self.returncode: int | None = None

    def __enter__(self) -> Self:
        """Do nothing: it runs."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave none that runs."""
        self.kill()
        self.wait()

    def poll(self) -> int | None:
        """Return its exit code, minus a signal's number if that ended it; None if it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, and return its exit code.

        Raises:
            subprocess.TimeoutExpired: it has not ended in time.
        """
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has just ended, and that is not told yet
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, limit_s: float | None) -> int | None:
        limit_ms = None if limit_s is None else limit_s * 1_000
        if self.returncode is None and self._ends.poll(limit_ms):
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode


def run_module(module: str, arguments: Sequence[str]) -> int:
    """Run a module with our own streams to its end; return its exit code as `poll` does."""
    command = Command(list(arguments), dict(os.environ), str(PROJECT), module=module)
    return Started(command, [os.dup(number) for number in range(_FILES - 1)]).wait()


class Child(Started):
    """A child process of the program, as `telemetry.child.start` starts it.

    Several threads may wait for it.
    """

    def __init__(
        self,
        module: str,
        task: bytes,
        *,
        environ: Mapping[str, str] | None = None,
        stdout: int | None = None,
        files: Sequence[int] = (),
        prepared: Prepared | None = None,
    ) -> None:
        read, stdin = os.pipe()
        self.stdin: IO[bytes] | None = os.fdopen(stdin, "wb", 0)
        self.stdout: IO[bytes] | None = None
        says = os.dup(1)
        if stdout is not None:
            os.close(says)
            said, says = os.pipe()
            self.stdout = os.fdopen(said, "rb", 0)
        env = dict(os.environ if environ is None else environ)
        command = Command([], env, str(Path.cwd()), None, module, list(files), has_own_group=True)
        super().__init__(command, [read, says, *map(os.dup, (2, *files))], prepared)
        self._has_ended = threading.Event()
        threading.Thread(target=self._await_end, daemon=True).start()
        with suppress(BrokenPipeError):
            self.stdin.write(task)

    def __exit__(self, *_: object) -> None:
        """Take no more of what it says, and wait until it has ended."""
        for each in filter(None, (self.stdin, self.stdout)):
            each.close()
        self.wait()

    def _await_end(self) -> None:
        super()._ended(None)
        self._has_ended.set()

    def _ended(self, limit_s: float | None) -> int | None:
        self._has_ended.wait(limit_s)
        return self.returncode


STARTERS: Final = (api.upkeep, kept_process, workers)
"""The modules that start child processes."""


def starting(prepared: Prepared | None = None) -> SimpleNamespace:
    """Give what stands for `telemetry.child` in a module whose children are forked."""
    return SimpleNamespace(**{**vars(child), "start": partial(Child, prepared=prepared)})


def start(module: str, task: bytes) -> Child:
    """Start a module as `telemetry.child.start` does, to hear what it says."""
    return Child(module, task, stdout=subprocess.PIPE)


def stop() -> None:
    """Stop what has loaded the program, if any command was run."""
    if _prepared.cache_info().currsize:
        _prepared().stop()
        _prepared.cache_clear()


class Prepared:
    """A process that has loaded the program, and begins commands, as who asks it sees it."""

    def __init__(self, asking: socket.socket) -> None:
        self._socket = asking

    def begin(self, command: Command, files: Sequence[int]) -> None:
        """Begin a command; the files become its own."""
        try:
            socket.send_fds(self._socket, [msgspec.json.encode(command)], files)
        finally:
            for each in files:
                os.close(each)

    def stop(self) -> None:
        """Ask no more."""
        self._socket.close()


class OwnPrepared(Prepared):
    """Such a process, which runs until it is stopped, and whom other processes may ask, too."""

    def __init__(self) -> None:
        asking, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        super().__init__(asking)
        self._folder = Path(tempfile.mkdtemp(prefix="raphus-test-", dir=scratch()))
        self.address = str(self._folder / "prepared")
        with its, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
            door.bind(self.address)
            door.listen()
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(its.fileno()), str(door.fileno())],
                cwd=PROJECT,
                env={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
                pass_fds=[its.fileno(), door.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def stop(self) -> None:
        """Let it end, whoever else asks it."""
        super().stop()
        self._process.wait()
        shutil.rmtree(self._folder)


def lend() -> str:
    """Have a process that others may ask; return the address by which they `borrow` it.

    To load the program takes more than a second of processor time: workers do so once for all.
    """
    own = _prepared()
    assert isinstance(own, OwnPrepared)
    return own.address


def borrow(address: str) -> None:
    """Ask the process that another one of these tests lends from now on."""
    _lent.append(address)


@cache
def _prepared() -> Prepared:
    if not _lent:
        return OwnPrepared()
    asking = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    asking.connect(_lent[-1])
    return Prepared(asking)


def _read(files: Sequence[Any], give_up_at: float) -> list[bytes]:
    """Read files to their ends; the last one says first whom to kill if that takes too long."""
    read = [b"" for _ in files]
    with DefaultSelector() as selector:
        for number, file in enumerate(files):
            selector.register(file, EVENT_READ, number)
        while selector.get_map():
            ready = selector.select(max(0, give_up_at - time.monotonic()))
            if not ready:
                os.kill(int(read[-1].split()[0]), signal.SIGKILL)
                raise TimeoutError(b"".join(read))
            for key, _ in ready:
                more = os.read(key.fd, _READ_BYTES)
                read[key.data] += more
                if not more:
                    selector.unregister(key.fileobj)
    return read


def main() -> int:
    """Load the program, and do in forked processes what is asked for over a socket."""
    with loading():
        parser()  # of all commands
        for name in environment().list_templates(extensions=["html"]):
            environment().get_template(name)  # the first pages of each server would compile them
        for name in _LOADED_LATE:
            import_module(name)
        # What its operations take, and the patterns of their paths, are found out once.
        application("", Verifier((_SECRET,)), OpenOnLoopback(), site=console)
        _fold_one_of_each()
    near, forked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near:
        asking = socket.socket(
            fileno=fcntl.fcntl(near.fileno(), fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY)
        )
    tests, door = (socket.socket(fileno=int(number)) for number in sys.argv[1:])
    with tests, door, forked:
        given = _next(tests, forked, door)
    if given is None:
        return 0
    message, files = given
    return _end(_do(msgspec.json.decode(message, type=Command), files, Prepared(asking)))


def _fold_one_of_each() -> None:
    """Let be found out how bodies, and what is folded of them, are read: each fold would."""
    told = [delivery(body, name) for name, body in samples().items()]
    for some in batches(aggregates(told).values()):
        for model in READ_MODELS:
            if kind_of(some[0]) in model.streams:
                for one in some:
                    model.rows(one)


def _next(
    tests: socket.socket, forked: socket.socket, door: socket.socket
) -> tuple[bytes, list[int]] | None:
    """Fork for each command that is asked for, and return it there; None when tests end.

    Whoever comes through the door may ask, too. The last file is for who is told which process it
    is and, in the end, how it ended.
    """
    told: dict[int, int] = {}
    asked = [tests, forked]
    with ExitStack() as own:
        ended = _heard_ends(own)
        while True:
            awaited: list[socket.socket | int] = [ended, door, *asked]
            ready = select.select(awaited, [], [])[0]
            if ended in ready:
                _tell_ends(ended, told)
            if door in ready:
                asked.append(own.enter_context(door.accept()[0]))
            for each in [one for one in asked if one in ready]:
                message, files, _, _ = socket.recv_fds(each, _MESSAGE_BYTES_MAX, _FILES_MAX)
                if message and _fork(files, told):
                    return message, files
                if not message and each is tests:
                    return None
                if not message:
                    asked.remove(each)


def _heard_ends(own: ExitStack) -> int:
    """Return a file in which something is to be read when a process has ended."""
    ended, ends = os.pipe()
    for file in (ended, ends):
        own.callback(os.close, file)
    os.set_blocking(ends, False)
    signal.set_wakeup_fd(ends, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return ended


def _fork(files: list[int], told: dict[int, int]) -> bool:
    """Fork, and say as whom in the last of the files; tell whether this is the forked process."""
    to_tell = files.pop()
    told[pid := os.fork()] = to_tell
    if pid == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for file in told.values():
            os.close(file)
        return True
    for file in files:
        os.close(file)
    _tell(to_tell, pid)
    return False


def _tell_ends(ended: int, told: dict[int, int]) -> None:
    """Tell of each process that has ended how it did."""
    os.read(ended, _READ_BYTES)
    while told:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        file = told.pop(pid)
        _tell(file, os.waitstatus_to_exitcode(status))
        os.close(file)


def _tell(file: int, number: int) -> None:
    with suppress(BrokenPipeError):  # a server may end before its processes
        os.write(file, f"{number}\n".encode())


def _do(command: Command, files: Sequence[int], prepared: Prepared) -> int:
    received = [fcntl.fcntl(file, fcntl.F_DUPFD, _OUT_OF_THE_WAY) for file in files]
    for file in files:
        os.close(file)
    for number, file in zip([*range(_FILES - 1), *command.files], received, strict=True):
        os.dup2(file, number)
        os.close(file)
    if command.has_own_group:
        os.setpgid(0, 0)
    if command.files_max is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (command.files_max, command.files_max))
    os.environ.clear()
    os.environ.update(command.env)
    time.tzset()
    os.chdir(command.directory)
    sys.argv[1:] = command.arguments
    for module in STARTERS:
        vars(module)["child"] = starting(prepared)
    code: int
    try:
        code = import_module(command.module).main()
    except SystemExit as ended:
        if not isinstance(ended.code, int):
            raise
        code = ended.code  # of argparse
    return code


def _end(code: int) -> NoReturn:
    """End as an interpreter does that has come to the end of its program."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
