"""Benchmark: from the answer to a webhook until open pages hear of it, and show it."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from typing import TYPE_CHECKING, Final

import httpx

from console.live import PATH as LIVE
from tests.benchmarks.bodies import SECRET, deliveries, request
from tests.benchmarks.load import drive
from tests.benchmarks.measure import Result, percentile
from tests.benchmarks.parts import port_of
from tests.support.browser import chromium, launched, looking, sign_in
from tests.support.histories import said
from tests.support.program import posted, serving
from tests.support.waiting import GUARD_S

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.support.program import Program

TARGET_S: Final = 0.2
_PAUSE_S: Final = 0.5
_TIMES: Final = 40
_PER_S: Final = 100
_CLIENTS: Final = 1
"""One is enough, and is never left waiting for so long that the server closes its connection."""
_BUSY_S: Final = 1.0
"""How long the others come, for each webhook that is measured."""
_NOTE: Final = """() => {
    const seen = new Map();
    const awaited = new Map();
    const look = () => {
        for (const link of document.querySelectorAll('a[href^="/disputes/dp_"]')) {
            const id = link.pathname.split("/").pop();
            if (!seen.has(id)) {
                seen.set(id, Date.now() / 1000);
            }
            awaited.get(id)?.(seen.get(id));
        }
    };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
    window.firstSeen = (id) => new Promise((resolve) => { awaited.set(id, resolve); look(); });
}"""
"""Has a page note when it first shows each dispute, in seconds by the clock of the machine."""

Told = Callable[[str, int], float]
"""Waits until a dispute, which stands at a position of the log, is told of; returns since when."""


def from_commit_to_screen(conninfo: str) -> list[Result]:
    """Open a dispute every half second, while nothing else comes and while much does."""
    with (
        tempfile.TemporaryDirectory() as home,
        serving(Path(home), DATABASE_URL=conninfo, DODO_PAYMENTS_WEBHOOK_KEY=SECRET) as server,
    ):
        stream = _Stream(server)
        stream.start()
        results = _each_way(server, "a stream tells it", stream.told)
        if chromium() is None:
            return results
        with launched() as browser, looking(browser, server.url) as page:
            sign_in(page, server.key, "/")
            page.locator("#live[data-state=on]").wait_for()
            page.evaluate(_NOTE)
            return results + _each_way(server, "a browser shows it", _shown_by(page))


def _each_way(server: Program, what: str, told: Told) -> list[Result]:
    alone_s = _taken_s(server, told)
    busy = Thread(target=_keep_busy, args=(server,))
    busy.start()
    beside_s = _taken_s(server, told)
    busy.join()
    return [
        _result(f"from the answer to a webhook until {what}", alone_s),
        _result(f"the same until {what}, {_PER_S} webhooks/s beside it", beside_s),
    ]


def _result(what: str, taken_s: list[float]) -> Result:
    p50_s, p90_s = (percentile(sorted(taken_s), percent) for percent in (50, 90))
    detail = f"p50 {p50_s * 1e3:,.0f} ms, p90 {p90_s * 1e3:,.0f} ms"
    return Result(f"{what}, p90 ÷ {TARGET_S * 1e3:.0f} ms", p90_s / TARGET_S, 1, True, detail)


def _taken_s(server: Program, told: Told) -> list[float]:
    taken_s = []
    with server.client() as client:
        for _ in range(_TIMES):
            time.sleep(_PAUSE_S)
            id_ = f"dp_{time.time_ns()}"
            body = said("dispute.opened", dispute_id=id_, amount="1234", currency="USD").body
            position = int(posted(client, body, f"msg_{id_}", SECRET).json()["position"])
            answered_at = time.time()
            taken_s.append(told(id_, position) - answered_at)
    return taken_s


def _keep_busy(server: Program) -> None:
    requests = [request(one) for one in deliveries(int(_PER_S * _TIMES * _BUSY_S))]
    drive(port_of(server), requests, _CLIENTS, per_s=_PER_S)


class _Stream(Thread):
    """An open page's stream, which notes when it told of which position."""

    def __init__(self, server: Program) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._heard: list[tuple[int, float]] = []
        self._more = Condition()

    def run(self) -> None:
        with (
            suppress(httpx.RemoteProtocolError),  # the server ends before the stream does
            self._server.client() as client,
            client.stream("GET", LIVE) as answer,
        ):
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    self._note(int(json.loads(line.removeprefix("data: "))["position"]))

    def _note(self, position: int) -> None:
        with self._more:
            self._heard.append((position, time.time()))
            self._more.notify_all()

    def told(self, _id: str, position: int) -> float:
        """Return when it told of a position, or of one behind it."""
        with self._more:
            self._more.wait_for(lambda: self._heard and self._heard[-1][0] >= position, GUARD_S)
            return next(at for told, at in self._heard if told >= position)


def _shown_by(page: Page) -> Told:
    def told(id_: str, _position: int) -> float:
        return float(page.evaluate("(id) => window.firstSeen(id)", id_))

    return told
