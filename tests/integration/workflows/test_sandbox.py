"""Sandboxes: the processes that the merchant's own code runs in."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.support.shop import FINE, GUARD_S, OPENED, Shop
from workflows.job_arguments import (
    Cancelled,
    SandboxUnavailable,
    TransformationError,
    Transformer,
)
from workflows.transforms.sandbox_protocol import ARGUMENTS_BYTES_MAX
from workflows.transforms.sandbox_worker import LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workflows.transforms.custom_code import Language


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("javascript", "function handler(w) { w.cancel = true; return w; }"),
        ("python", "def shape(fact): return None"),
    ],
)
def test_a_transformation_may_cancel(shop: Shop, language: Language, source: str) -> None:
    (cancelled,) = shop.outcomes((shop.route(language, source), OPENED))
    assert isinstance(cancelled, Cancelled)
    assert str(cancelled).endswith("starts nothing for this event")


@pytest.mark.parametrize("language", FINE)
def test_a_replay_adds_its_number_to_own_code_too(shop: Shop, language: Language) -> None:
    route = shop.route(language, FINE[language])
    first, again = shop.outcomes((route, OPENED), (route, OPENED._replace(replay=3)))
    assert isinstance(first, bytes)
    assert isinstance(again, bytes)
    assert again == first[:-1] + b',"raphus_replay":3}'


@pytest.mark.parametrize("language", FINE)
def test_own_arguments_have_a_limit(shop: Shop, language: Language) -> None:
    source = {
        "javascript": "function handler(w) { w.payload = {x: '%s'.repeat(%d)}; return w; }",
        "python": "def shape(fact): return {'x': '%s' * %d}",
    }[language]
    room = ARGUMENTS_BYTES_MAX - len('{"x":""}')
    assert shop.arguments(shop.route(language, source % ("y", room)))["x"] == "y" * room
    message = shop.problem(language, source % ("y", room + 1))
    assert message.endswith("the arguments are 1048577 bytes of JSON; at most 1048576 are sent")
    assert "are 2097" in shop.problem(language, source % ("é", 1024 * 1024))


@pytest.mark.parametrize("language", FINE)
def test_a_file_that_changes_is_read_again(shop: Shop, language: Language) -> None:
    source = {
        "javascript": "function handler(w) { w.payload = {n: %d}; return w; }",
        "python": "def shape(fact): return {'n': %d}",
    }[language]

    async def made() -> Iterator[bytes]:
        transformer = Transformer(GUARD_S)
        route = shop.route(language, source % 1)
        first = await transformer.arguments(route, OPENED)
        shop.route(language, source % 2)
        second = await transformer.arguments(route, OPENED)
        (shop.folder / route.transformation.split(":")[1]).unlink()
        with pytest.raises(TransformationError, match="No such file or directory"):
            await transformer.arguments(route, OPENED)
        await transformer.close()
        return iter([first, second])

    assert list(asyncio.run(made())) == [b'{"n":1}', b'{"n":2}']


WHO = "import os\ndef shape(fact): return {'pid': os.getpid(), 'parent': os.getppid()}"


def exists(process_id: int) -> bool:
    """Tell whether a process is there, and is more than a name in the list of the dead."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        try:
            os.kill(process_id, 0)
        except ProcessLookupError:
            return False
        return not Path("/proc/self").exists()
    return state != "Z"


def until(holds: Callable[[], bool]) -> bool:
    """Wait until something holds."""
    end = time.monotonic() + GUARD_S
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


def test_many_calls_at_once_share_one_process(shop: Shop) -> None:
    route = shop.route("python", WHO)

    async def made() -> list[bytes]:
        transformer = Transformer(GUARD_S)
        try:
            return await asyncio.gather(*[transformer.arguments(route, OPENED) for _ in range(20)])
        finally:
            await transformer.close()

    (one,) = {json.loads(answer)["pid"] for answer in asyncio.run(made())}
    assert one != os.getpid()
    assert not exists(one)


def test_a_built_in_transformation_needs_no_process(shop: Shop) -> None:
    async def made() -> set[int | None]:
        transformer = Transformer()
        for name in ("basic", "subscription", "dispute", "envelope", "state"):
            await transformer.arguments(shop.built_in(name), OPENED)
        return {sandbox.process_id for sandbox in transformer._sandboxes.values()}

    assert asyncio.run(made()) == {None}


def test_what_a_dead_process_has_started_ends_with_it(shop: Shop) -> None:
    note = shop.folder / "note"
    source = f"""
        import os, pathlib, subprocess
        def shape(fact):
            child = subprocess.Popen(["sleep", "1000"])
            pathlib.Path({str(note)!r}).write_text(str(child.pid))
            os._exit(1)
        """
    assert "ended with exit code 1" in shop.problem("python", source)
    child = int(note.read_text())
    assert until(lambda: not exists(child))


def test_a_call_is_answered_though_all_are_told_to_end(shop: Shop) -> None:
    source = """
        import os, signal
        def shape(fact):
            os.kill(os.getpid(), signal.SIGTERM)
            return {"answered": True}
        """
    assert shop.arguments(shop.route("python", source)) == {"answered": True}


FORGE = """
    import json, os, sys, threading, time

    def write(**answer):
        os.write(4, json.dumps({"arguments": {"forged": True}, **answer}).encode() + b"\\n")

    def id_of_this_call():
        frame = sys._getframe()
        while "call" not in frame.f_locals:
            frame = frame.f_back
        return frame.f_locals["call"].id

    def shape(fact):
        # The line below is what each test says.
    """


def forged(shop: Shop, line: str) -> list[object]:
    """Return what comes of a function that writes answers itself, and of two calls after it."""
    marker = "# The line below is what each test says.\n"
    source = dedent(FORGE).replace(marker, f"{line}\n    return {{'own': True}}\n")
    fine = shop.route("python", FINE["python"], "fine")
    own = shop.route("python", source)
    outcomes = shop.outcomes((fine, OPENED), (own, OPENED), *[(fine, OPENED)] * 2)
    return [json.loads(one) if isinstance(one, bytes) else str(one) for one in outcomes]


@pytest.mark.parametrize("written", ["write()", "write(id='')", "write(id='0' * 32)"])
def test_an_answer_without_the_calls_id_fails_that_call_only(shop: Shop, written: str) -> None:
    message = "ours.py: it disturbs what its process says"
    assert forged(shop, written) == [OPENED.payload, message, OPENED.payload, OPENED.payload]


def test_answers_that_are_left_answer_no_later_call(shop: Shop) -> None:
    _, made, *later = forged(shop, "write(id=id_of_this_call())")
    assert made == {"forged": True}
    assert later == [OPENED.payload] * 2


def test_what_is_written_between_two_calls_harms_neither(shop: Shop) -> None:
    answered, written = shop.folder / "answered", shop.folder / "written"
    late = f"""
    def late():
        while not os.path.exists({str(answered)!r}):
            time.sleep(0.01)
        write()
        open({str(written)!r}, "w").close()
    threading.Thread(target=late).start()
    return {{"own": True}}
"""
    source = dedent(FORGE) + late
    own, fine = shop.route("python", source), shop.route("python", FINE["python"], "fine")

    async def made() -> list[bytes]:
        transformer = Transformer(GUARD_S)
        first = await transformer.arguments(own, OPENED)
        answered.touch()
        assert await asyncio.to_thread(until, written.exists)
        rest = [await transformer.arguments(fine, OPENED) for _ in range(2)]
        await transformer.close()
        return [first, *rest]

    first, *rest = asyncio.run(made())
    assert json.loads(first) == {"own": True}
    assert [json.loads(one) for one in rest] == [OPENED.payload] * 2


def test_a_call_that_is_given_up_leaves_its_answer_to_nobody(shop: Shop) -> None:
    slow = shop.route("python", "import time\ndef shape(fact): time.sleep(1); return {'slow': 1}")
    fine = shop.route("python", FINE["python"], "fine")

    async def made() -> bytes:
        transformer = Transformer(GUARD_S)
        call = asyncio.create_task(transformer.arguments(slow, OPENED))
        await asyncio.sleep(0.5)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert call.cancelled()
        answer = await transformer.arguments(fine, OPENED)
        await transformer.close()
        return answer

    assert json.loads(asyncio.run(made())) == OPENED.payload


def test_closing_ends_a_call_that_runs_and_those_that_wait(shop: Shop) -> None:
    started = shop.folder / "started"
    source = f"def shape(fact):\n    open({str(started)!r}, 'w')\n    while True: pass"
    endless = shop.route("python", source)
    fine = shop.route("python", FINE["python"], "fine")

    async def made() -> list[BaseException | bytes]:
        transformer = Transformer(GUARD_S)
        calls = [
            asyncio.create_task(transformer.arguments(route, OPENED)) for route in (endless, fine)
        ]
        assert await asyncio.to_thread(until, started.exists)
        await transformer.close()
        return await asyncio.gather(*calls, return_exceptions=True)

    answers = asyncio.run(made())
    assert [type(answer) for answer in answers] == [SandboxUnavailable, SandboxUnavailable]


@pytest.mark.parametrize(
    ("executable", "expected"),
    [("/nowhere/python", "a sandbox cannot be started"), ("/bin/false", "does not start")],
)
def test_a_sandbox_that_cannot_be_started_is_no_fault_of_the_code(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, executable: str, expected: str
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    (failed,) = shop.outcomes((shop.route("python", FINE["python"]), OPENED))
    assert isinstance(failed, SandboxUnavailable)
    assert expected in str(failed)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
@pytest.mark.parametrize("language", FINE)
def test_a_sandbox_is_limited_by_the_system_too(shop: Shop, language: Language) -> None:
    import resource  # noqa: PLC0415 -- not everywhere

    async def limits() -> dict[str, int]:
        transformer = Transformer(GUARD_S)
        await transformer.arguments(shop.route(language, FINE[language]), OPENED)
        process_id = transformer._sandboxes[language].process_id or 0
        found = {
            name: resource.prlimit(process_id, getattr(resource, name))[1]
            for name in LIMITS[language]
        }
        await transformer.close()
        return found

    found = asyncio.run(limits())
    assert all(found[name] <= wanted for name, wanted in LIMITS[language].items())


def test_a_sandbox_ends_with_the_process_that_started_it(shop: Shop) -> None:
    shop.route("python", WHO)
    script = f"""
        import asyncio, json, pathlib, sys, time
        sys.path.insert(0, {str(Path(__file__).resolve().parents[3])!r})
        from workflows.transforms.sandbox_protocol import Call
        from workflows.transforms.sandbox import Sandbox
        import msgspec
        async def main():
            call = Call({str(shop.folder / "ours.py")!r}, "shape", msgspec.Raw(b"{{}}"))
            sandbox = Sandbox("python")
            print(json.loads(bytes((await sandbox.answer(call)).arguments))["pid"], flush=True)
            time.sleep(1000)
        asyncio.run(main())
        """
    with subprocess.Popen([sys.executable, "-c", dedent(script)], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        sandbox = int(server.stdout.readline())
        assert exists(sandbox)
        server.send_signal(signal.SIGKILL)
    assert until(lambda: not exists(sandbox))
