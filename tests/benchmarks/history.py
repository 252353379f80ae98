"""Benchmark: what one more event costs over the history of its object."""

from __future__ import annotations

import itertools
import resource
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec
import psycopg

from domain.delivery import Delivery
from ledger.application import Ledger
from ledger.mapper import LedgerMapper
from projections.live.follower import Follower
from tests.benchmarks.measure import Result, processor_s_of
from tests.support.samples import sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.support.samples import Body

_BEGAN: Final = datetime(2024, 5, 1, 12, tzinfo=UTC)
_HISTORIES: Final = (1, 25, 100, 400)
_ONE_BY_ONE: Final = 60
_OBJECTS: Final = 400
_BURST: Final = 2_000
_EACH: Final = (4, 60, 120, 250)
_BUSY: Final = 4
_BUSY_EVENTS: Final = 8_000
_LONG: Final = 100_000
_LATE_BY: Final = (10, 1_000, 10_000, 99_000)
_ROUNDS: Final = 20
_BATCH: Final = 500
_EVERY_MONTH: Final = ("renewed", "active", "updated")
_ENTRY: Final = ("added", "deducted")


class _Objects:
    """Objects of one kind, each with a life that goes on in order."""

    def __init__(self, kind: str, name: str, number: int) -> None:
        life = {"subscription": _subscription, "credit": _credit}[kind]
        self._lives = [life(f"{name}_{one}") for one in range(number)]

    def __len__(self) -> int:
        return len(self._lives)

    def next(self, events: int) -> list[Delivery]:
        """Return so many further events of each, by turns."""
        rounds = ([next(life) for life in self._lives] for _ in range(events))
        return list(itertools.chain.from_iterable(rounds))

    def one_by_one(self) -> Iterator[Delivery]:
        """Give one further event of each, again and again."""
        while True:
            yield from self.next(1)


def over_history(conninfo: str) -> list[Result]:
    """Follow one more event of objects with 1 to 400, in turns with the first of new ones."""
    results: list[Result] = []
    with Ledger(conninfo) as ledger, psycopg.connect(conninfo, autocommit=True) as conn:
        follower = Follower(conninfo, LedgerMapper())
        for kind in ("subscription", "credit"):
            olds = {}
            for events in _HISTORIES:
                olds[events] = _Objects(kind, f"{kind}_{events}", _ONE_BY_ONE // 4)
                _record(ledger, olds[events].next(events))
            _follow(follower)
            conn.execute("VACUUM ANALYZE")
            results += _compared(ledger, follower, kind, olds)
        follower.stop()
    return results


def _compared(
    ledger: Ledger, follower: Follower, kind: str, olds: dict[int, _Objects]
) -> Iterator[Result]:
    new = (_Objects(kind, f"{kind}_new_{number}", 1).next(1)[0] for number in itertools.count())
    sources = {0: new, **{events: one.one_by_one() for events, one in olds.items()}}
    costs: dict[int, list[float]] = {events: [] for events in sources}
    for _ in range(_ONE_BY_ONE):
        for events, source in sources.items():
            ledger.record([next(source)])
            costs[events].append(processor_s_of(follower.run_once))
    new_us = statistics.mean(costs.pop(0)) * 1e6
    for events, cost in costs.items():
        each_us = statistics.mean(cost) * 1e6
        name = f"one more event of a {kind} with {events} ÷ the first of a new one"
        detail = f"{each_us:,.0f} against {new_us:,.0f} µs of our processor time, a page of 1"
        yield Result(name, each_us / new_us, 2, True, detail)


def burst_over_old_objects(conninfo: str) -> list[Result]:
    """Follow a burst over objects that have 4 to 250 events each."""
    results = []
    with Ledger(conninfo) as ledger, psycopg.connect(conninfo, autocommit=True) as conn:
        follower = Follower(conninfo, LedgerMapper())
        costs: dict[int, float] = {}
        objects, events = _Objects("subscription", "burst", _OBJECTS), 0
        for each in _EACH:
            _record(ledger, objects.next(each - events))
            events = each + _BURST // _OBJECTS
            _follow(follower)
            conn.execute("VACUUM ANALYZE")
            _record(ledger, objects.next(_BURST // _OBJECTS))
            began = time.perf_counter()
            costs[each] = processor_s_of(lambda: _follow(follower)) / _BURST
            rate = _BURST / (time.perf_counter() - began)
            detail = f"{costs[each] * 1e6:,.0f} µs of our processor time each, {rate:,.0f} events/s"
            ratio = costs[each] / costs[_EACH[0]]
            name = f"an event of a burst over {_OBJECTS} objects with {each} ÷ with {_EACH[0]}"
            results.append(Result(name, ratio, 2, True, detail))
        follower.stop()
    return results[1:]


def of_busy_objects(conninfo: str) -> Result:
    """Follow one more event of each of a few objects with many, and of as many new ones."""
    with Ledger(conninfo) as ledger:
        follower = Follower(conninfo, LedgerMapper())
        busy = _Objects("subscription", "busy", _BUSY)
        _grow(ledger, follower, busy, _BUSY_EVENTS)
        old, new = [], []
        for number in range(_ROUNDS):
            old.append(_next(ledger, follower, busy.next(1)))
            firsts = _Objects("subscription", f"new_{number}", _BUSY)
            new.append(_next(ledger, follower, firsts.next(1)))
        follower.stop()
    old_s, new_s = statistics.mean(old), statistics.mean(new)
    detail = f"{old_s * 1e3:.1f} against {new_s * 1e3:.1f} ms of our processor time, a page of 4"
    name = f"one more event of each of {_BUSY} objects with {_BUSY_EVENTS:,} ÷ of {_BUSY} new ones"
    return Result(name, old_s / new_s, 2, True, detail)


def of_one_long_stream(conninfo: str) -> list[Result]:
    """Follow one more event of a subscription with 100,000, in order and late, and a new one."""
    with Ledger(conninfo) as ledger:
        follower = Follower(conninfo, LedgerMapper())
        long = _Objects("subscription", "long", 1)
        _grow(ledger, follower, long, _LONG)
        costs = [_next(ledger, follower, long.next(1)) for _ in range(_ROUNDS)]
        firsts = [_Objects("subscription", f"new_{number}", 1).next(1) for number in range(_ROUNDS)]
        first = statistics.mean(_next(ledger, follower, one) for one in firsts)
        late = [_late(ledger, follower, by) for by in _LATE_BY]
        follower.stop()
    in_order = statistics.mean(costs)
    detail = f"{in_order * 1e6:,.0f} against {first * 1e6:,.0f} µs; late {'; '.join(late)}"
    name = f"one more event of a subscription with {_LONG:,} ÷ the first of a new one"
    return [Result(name, in_order / first, 2, True, detail)]


def _late(ledger: Ledger, follower: Follower, by: int) -> str:
    """Follow an event that comes behind so many that occurred after it."""
    life = _subscription("long_0")
    told = next(itertools.islice(life, _LONG - by, None))
    held_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ledger.record([msgspec.structs.replace(told, webhook_id=f"msg_late_{by}")])
    began = time.perf_counter()
    ours_s = processor_s_of(lambda: _follow(follower))
    took_s = time.perf_counter() - began
    more_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held_kib) / 1024
    return f"by {by:,}: {ours_s:.2f} s, all waiting for {took_s:.2f} s, {more_mib:.0f} MiB more"


def _grow(ledger: Ledger, follower: Follower, objects: _Objects, events: int) -> None:
    each = _BATCH // len(objects)
    for _ in range(events // each):
        ledger.record(objects.next(each))
        _follow(follower)


def _next(ledger: Ledger, follower: Follower, deliveries: list[Delivery]) -> float:
    ledger.record(deliveries)
    return processor_s_of(lambda: _follow(follower))


def _record(ledger: Ledger, deliveries: Iterable[Delivery]) -> None:
    some = iter(deliveries)
    while batch := list(itertools.islice(some, _BATCH)):
        ledger.record(batch)


def _follow(follower: Follower) -> None:
    while follower.run_once():
        pass


def _subscription(name: str) -> Iterator[Delivery]:
    body = sample("subscription.active")
    for number in itertools.count():
        day, word = number // 3, _EVERY_MONTH[number % 3]
        at = _BEGAN + timedelta(days=day)
        dates = {
            "next_billing_date": _text(at + timedelta(days=30)),
            "previous_billing_date": _text(at),
        }
        yield _said(body, f"subscription.{word}", at, number, {"subscription_id": name} | dates)


def _credit(name: str) -> Iterator[Delivery]:
    bodies = {word: sample(f"credit.{word}") for word in _ENTRY}
    for number in itertools.count():
        word = _ENTRY[number % 2]
        at = _BEGAN + timedelta(hours=number)
        own = {"customer_id": name, "id": f"cdl_{name}_{number}", "created_at": _text(at)}
        balances = {"balance_before": str(number % 2 * 5), "balance_after": str(5 - number % 2 * 5)}
        moved = {"amount": "5", "overage_before": "0", "overage_after": "0"}
        yield _said(bodies[word], f"credit.{word}", at, number, own | balances | moved)


def _said(body: Body, type_: str, at: datetime, number: int, own: dict[str, str]) -> Delivery:
    told = {**body, "type": type_, "timestamp": _text(at), "data": {**body["data"], **own}}
    name = next(iter(own.values()))
    return Delivery(f"msg_{name}_{number}", "1777636800", "v1,none", msgspec.json.encode(told))


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
