"""The circuit breaker: who may ask a Windmill that is away, and when."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from tests.support import virtual_time
from workflows.dispatch.circuit_breaker import CircuitBreaker, RetiredError
from workflows.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

LIMITS = Limits(opens_after=3, pause_min_s=1.0, probe_max_s=60.0)
WHY = "it answers 503"


class Shop:
    """Lanes that ask a Windmill through a breaker; every request takes a second."""

    def __init__(self, is_away: Callable[[float], bool], slots: int = 10) -> None:
        self.breaker = CircuitBreaker("route", "Windmill", LIMITS)
        self.slots = asyncio.Semaphore(slots)
        self.is_away = is_away
        self.sent_at_s: list[float] = []
        self.at_once = self.at_once_max = 0
        self.retry_after_s: float | None = None

    async def ask(self) -> bool:
        """Ask once, and tell whether there was an answer."""
        loop = asyncio.get_running_loop()
        async with self.breaker.admission(self.slots):
            self.sent_at_s.append(loop.time())
            self.at_once += 1
            self.at_once_max = max(self.at_once, self.at_once_max)
            is_away = self.is_away(loop.time())
            await asyncio.sleep(1)
            self.at_once -= 1
            if is_away:
                self.breaker.failed(WHY, self.retry_after_s)
            else:
                self.breaker.succeeded()
        return not is_away

    async def until_answered(self) -> None:
        """Ask until there is an answer."""
        while not await self.ask():
            pass


async def many(count: int, lane: Callable[[], Coroutine[None, None, object]]) -> None:
    """Run so many lanes at once to their end."""
    await asyncio.gather(*(lane() for _ in range(count)))


def test_closed_as_many_pass_as_there_are_slots() -> None:
    async def run() -> Shop:
        shop = Shop(lambda _: False, slots=4)
        await many(12, shop.ask)
        return shop

    shop = virtual_time.run(run())
    assert shop.at_once_max == 4
    assert max(shop.sent_at_s) == 2.0
    assert not shop.breaker.is_open


def test_open_one_probe_at_a_time_asks_less_and_less_often() -> None:
    async def run() -> Shop:
        shop = Shop(lambda now_s: now_s < 600, slots=4)
        await many(50, shop.until_answered)
        return shop

    shop = virtual_time.run(run())
    # Four were on their way before it opened; none of the others that waited for a slot went.
    assert shop.sent_at_s[:4] == [0.0] * 4
    probes = [at_s for at_s in shop.sent_at_s[4:] if at_s < 600]
    pauses = [after - before - 1 for before, after in pairwise(probes)]
    assert all(0.5 <= pause <= 60 for pause in pauses)
    assert 30 <= min(pauses[7:]) <= max(pauses[7:]) <= 60
    assert shop.at_once_max == 4
    assert not shop.breaker.is_open
    # Once a probe is answered, all others go at once.
    assert shop.sent_at_s[-1] < min(at_s for at_s in shop.sent_at_s if at_s >= 600) + 15


def test_open_one_request_is_on_its_way_at_a_time() -> None:
    async def run() -> Shop:
        shop = Shop(lambda now_s: now_s < 600)
        for _ in range(LIMITS.opens_after):
            await shop.ask()
        shop.at_once_max = 0
        waiting = [asyncio.create_task(shop.until_answered()) for _ in range(20)]
        await asyncio.sleep(500)
        shop.breaker.retire()
        await asyncio.gather(*waiting, return_exceptions=True)
        return shop

    shop = virtual_time.run(run())
    assert len(shop.sent_at_s) > LIMITS.opens_after
    assert shop.at_once_max == 1


def test_those_who_fail_together_open_it_for_one_pause() -> None:
    async def run() -> Shop:
        shop = Shop(lambda now_s: now_s < 1, slots=100)
        await many(100, shop.ask)
        await shop.until_answered()
        return shop

    shop = virtual_time.run(run())
    assert shop.sent_at_s[:100] == [0.0] * 100
    assert 1.5 <= shop.sent_at_s[100] <= 2.0


def test_nobody_comes_before_windmill_said() -> None:
    async def run() -> Shop:
        shop = Shop(lambda now_s: now_s < 1)
        shop.retry_after_s = 30.0
        await shop.ask()
        await many(8, shop.until_answered)
        return shop

    shop = virtual_time.run(run())
    assert shop.sent_at_s == [0.0, *[31.0] * 8]


def test_open_a_windmill_that_says_come_at_once_is_not_hammered() -> None:
    async def run() -> Shop:
        shop = Shop(lambda now_s: now_s < 600)
        shop.retry_after_s = 0.0
        await shop.until_answered()
        return shop

    assert len(virtual_time.run(run()).sent_at_s) < 30


def test_who_waits_learns_that_nothing_is_sent_here_any_more() -> None:
    async def run() -> list[object]:
        shop = Shop(lambda _: True, slots=1)
        for _ in range(LIMITS.opens_after):
            await shop.ask()
        waiting = [asyncio.create_task(shop.ask()) for _ in range(5)]
        resting = asyncio.create_task(shop.breaker.rest(10_000))
        await asyncio.sleep(0.1)
        shop.breaker.retire()
        found: list[object] = await asyncio.gather(*waiting, resting, return_exceptions=True)
        assert asyncio.get_running_loop().time() < 10
        return [*found, len(shop.sent_at_s)]

    *refused, rested, sent = virtual_time.run(run())
    assert [type(one) for one in refused] == [RetiredError] * 5
    assert (rested, sent) == (None, LIMITS.opens_after)


def test_whoever_is_cancelled_leaves_the_way_free() -> None:
    async def run() -> None:
        shop = Shop(lambda now_s: now_s < 100, slots=1)
        for _ in range(LIMITS.opens_after):
            await shop.ask()
        for _ in range(3):
            probe = asyncio.create_task(shop.ask())
            await asyncio.sleep(0.3)
            probe.cancel()
            await asyncio.gather(probe, return_exceptions=True)
        await shop.until_answered()

    virtual_time.run(run())


def test_the_log_tells_once_that_windmill_went_and_once_that_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> None:
        shop = Shop(lambda now_s: now_s < 600)
        await many(30, shop.until_answered)

    with caplog.at_level(logging.INFO):
        virtual_time.run(run())
    assert [record.getMessage() for record in caplog.records] == [
        f"route route: Windmill is away ({WHY}), and is asked again now and then",
        "route route: that is over",
    ]


def test_the_same_words_to_several_jobs_in_a_row_are_not_about_the_jobs() -> None:
    breaker = CircuitBreaker("route", "Windmill", LIMITS)
    one, two, three = (UUID(int=n) for n in (1, 2, 3))

    def refused(*jobs: UUID, said: str = "no such tag for {}") -> list[bool]:
        return [breaker.refuses_all(job, said.format(job)) for job in jobs]

    # One that is tried again is one; and in other words it is another matter.
    assert refused(one, one, one, two) == [False] * 4
    assert refused(one, two, said="too deep") == [False] * 2
    assert refused(one, two, three, one) == [False, False, True, True]
    breaker.started()
    assert refused(one, two, three) == [False, False, True]
