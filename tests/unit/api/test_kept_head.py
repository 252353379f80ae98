"""What an answer's head is written with, and that it waits for nothing."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.kept_head import KeptHead

if TYPE_CHECKING:
    from collections.abc import Iterable

HEAD: Final = b"HTTP/1.1 200 OK\r\n\r\n"
GO_ROUND: Final = None
"""A step of an answer: the loop goes round."""


class Wire(asyncio.Transport):
    """A transport that remembers each write that the system would be asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.writes.append(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def answered(*steps: bytes | None, close: bool = False, lost_after: int | None = None) -> Wire:
    """Answer a request as uvicorn does, by the transport that it has at each step."""
    wire = Wire()
    cycle: Any = SimpleNamespace(transport=wire)

    async def answer() -> None:
        cycle.transport = KeptHead(cycle, asyncio.get_running_loop())
        for number, step in enumerate(steps):
            if number == lost_after:
                wire.closed = True
            if step is GO_ROUND:
                await asyncio.sleep(0)
            else:
                cycle.transport.write(step)
        if close:
            cycle.transport.close()
        assert cycle.transport.is_closing() == wire.closed
        await asyncio.sleep(0)

    asyncio.run(answer())
    return wire


def test_a_head_goes_out_with_its_body() -> None:
    assert answered(HEAD, b"{}").writes == [HEAD + b"{}"]


def test_a_head_without_a_body_goes_out_by_itself() -> None:
    assert answered(HEAD, GO_ROUND, b"later").writes == [HEAD, b"later"]


def test_what_comes_after_the_body_is_written_at_once() -> None:
    assert answered(HEAD, b"1", b"2", b"3").writes == [HEAD + b"1", b"2", b"3"]


@pytest.mark.parametrize("steps", [(HEAD,), (HEAD, b"{}"), (HEAD, GO_ROUND), ()])
def test_all_is_written_before_the_connection_is_closed(steps: tuple[bytes | None, ...]) -> None:
    wire = answered(*steps, close=True)
    assert b"".join(wire.writes) == b"".join(step for step in steps if step)
    assert wire.closed


def test_nothing_is_written_to_a_peer_that_has_gone() -> None:
    assert answered(HEAD, GO_ROUND, lost_after=1).writes == []
    assert answered(HEAD, b"{}", lost_after=1).writes == []


@given(st.lists(st.one_of(st.binary(min_size=1, max_size=3), st.none()), max_size=8), st.booleans())
def test_the_bytes_are_those_of_the_answer_in_their_order(
    steps: list[bytes | None], close: bool
) -> None:
    wire = answered(*steps, close=close)
    assert b"".join(wire.writes) == b"".join(step for step in steps if step)
