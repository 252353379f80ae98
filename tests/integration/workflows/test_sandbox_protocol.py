"""What is said to a sandbox and back: no call is answered with what another's code has written."""

from __future__ import annotations

import asyncio
import json
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.support.shop import FINE, GUARD_S, OPENED, Shop
from tests.support.waiting import until
from workflows.job_arguments import (
    Transformer,
)

if TYPE_CHECKING:
    pass


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
        await asyncio.to_thread(until, written.exists)
        rest = [await transformer.arguments(fine, OPENED) for _ in range(2)]
        await transformer.close()
        return [first, *rest]

    first, *rest = asyncio.run(made())
    assert json.loads(first) == {"own": True}
    assert [json.loads(one) for one in rest] == [OPENED.payload] * 2


def test_a_call_that_is_given_up_leaves_its_answer_to_nobody(shop: Shop) -> None:
    begun = shop.folder / "begun"
    slow = f"import time\ndef shape(fact): open({str(begun)!r}, 'w'); time.sleep(1); return {{}}"
    given_up = shop.route("python", slow)
    fine = shop.route("python", FINE["python"], "fine")

    async def made() -> bytes:
        transformer = Transformer(GUARD_S)
        call = asyncio.create_task(transformer.arguments(given_up, OPENED))
        await asyncio.to_thread(until, begun.exists)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert call.cancelled()
        answer = await transformer.arguments(fine, OPENED)
        await transformer.close()
        return answer

    assert json.loads(asyncio.run(made())) == OPENED.payload
