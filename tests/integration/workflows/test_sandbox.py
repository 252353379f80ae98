"""Sandboxes: the processes that the merchant's own code runs in."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from postgres.embedded.processes import exists
from tests.support.shop import FINE, GUARD_S, OPENED, Shop
from tests.support.waiting import until
from workflows.job_arguments import (
    Cancelled,
    SandboxUnavailable,
    TransformationError,
    Transformer,
)
from workflows.transforms.sandbox_protocol import ARGUMENTS_BYTES_MAX
from workflows.transforms.sandbox_worker import LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workflows.transforms.custom_code import Language


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("javascript", "function handler(w) { w.cancel = true; return w; }"),
        ("python", "def shape(fact): return None"),
    ],
)
def test_a_transformation_may_cancel(lasting_shop: Shop, language: Language, source: str) -> None:
    (cancelled,) = lasting_shop.outcomes((lasting_shop.route(language, source), OPENED))
    assert isinstance(cancelled, Cancelled)
    assert str(cancelled).endswith("starts nothing for this event")


@pytest.mark.parametrize("language", FINE)
def test_a_replay_adds_its_number_to_own_code_too(lasting_shop: Shop, language: Language) -> None:
    route = lasting_shop.route(language, FINE[language])
    first, again = lasting_shop.outcomes((route, OPENED), (route, OPENED._replace(replay=3)))
    assert isinstance(first, bytes)
    assert isinstance(again, bytes)
    assert again == first[:-1] + b',"raphus_replay":3}'


@pytest.mark.parametrize("language", FINE)
def test_own_arguments_have_a_limit(lasting_shop: Shop, language: Language) -> None:
    source = {
        "javascript": "function handler(w) { w.payload = {x: '%s'.repeat(%d)}; return w; }",
        "python": "def shape(fact): return {'x': '%s' * %d}",
    }[language]
    room = ARGUMENTS_BYTES_MAX - len('{"x":""}')
    fits = lasting_shop.route(language, source % ("y", room))
    assert lasting_shop.arguments(fits)["x"] == "y" * room
    message = lasting_shop.problem(language, source % ("y", room + 1))
    assert message.endswith("the arguments are 1048577 bytes of JSON; at most 1048576 are sent")
    assert "are 2097" in lasting_shop.problem(language, source % ("é", 1024 * 1024))


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
    until(lambda: not exists(child))


def test_a_call_is_answered_though_all_are_told_to_end(shop: Shop) -> None:
    source = """
        import os, signal
        def shape(fact):
            os.kill(os.getpid(), signal.SIGTERM)
            return {"answered": True}
        """
    assert shop.arguments(shop.route("python", source)) == {"answered": True}


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
        await asyncio.to_thread(until, started.exists)
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
    until(lambda: not exists(sandbox))
