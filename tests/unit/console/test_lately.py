"""Answers that may be a little old: worked out once, however many ask, and never kept for ever."""

from __future__ import annotations

import asyncio

import pytest

from console.lately import KEPT_MAX, KEPT_S, Lately


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Work:
    """Work that is counted, and answers with how often it was done."""

    def __init__(self) -> None:
        self.done = 0

    async def __call__(self) -> int:
        await asyncio.sleep(0)
        self.done += 1
        return self.done


def test_many_that_ask_at_once_cost_one_answer() -> None:
    async def asked() -> list[int]:
        lately, work = Lately(), Work()
        return await asyncio.gather(*(lately.ask("q", work, age_max_s=60) for _ in range(20)))

    assert asyncio.run(asked()) == [1] * 20


def test_an_answer_is_worked_out_anew_once_it_is_too_old_and_shown_meanwhile() -> None:
    async def asked() -> None:
        clock = Clock()
        lately, work = Lately(clock), Work()
        assert lately.answer("q") is None
        assert await lately.ask("q", work, age_max_s=60) == 1
        clock.now_s = 60
        assert await lately.ask("q", work, age_max_s=60) == 1
        clock.now_s = 61
        assert lately.answer("q") == (1, 61)
        assert await lately.ask("q", work, age_max_s=60) == 2
        assert lately.answer("q") == (2, 0)
        clock.now_s = 62 + KEPT_S
        assert lately.answer("q") is None

    asyncio.run(asked())


def test_what_fails_is_told_to_all_who_wait_and_tried_again_by_the_next() -> None:
    async def asked() -> None:
        async def failing() -> int:
            await asyncio.sleep(0)
            raise ValueError("no")

        lately = Lately()
        waiting = (lately.ask("q", failing, age_max_s=60) for _ in range(2))
        failures = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(one) for one in failures] == ["no", "no"]
        assert await lately.ask("q", Work(), age_max_s=60) == 1

    asyncio.run(asked())


def test_who_leaves_does_not_take_the_answer_from_the_others() -> None:
    async def asked() -> int:
        lately, work = Lately(), Work()
        first = asyncio.create_task(lately.ask("q", work, age_max_s=60))
        second = asyncio.create_task(lately.ask("q", work, age_max_s=60))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert asyncio.run(asked()) == 1


def test_only_the_newest_answers_are_kept() -> None:
    async def asked() -> None:
        lately = Lately()
        for number in range(KEPT_MAX + 1):
            await lately.ask(number, Work(), age_max_s=60)
        assert lately.answer(0) is None
        assert lately.answer(1) is not None

    asyncio.run(asked())
