"""What is wrong: each with since when, whose, how much money, on what evidence, and what to do."""

from __future__ import annotations

from typing import Any, Final

from api.resources.anomalies import LIST_ANOMALIES, AnomaliesQuery
from console.page import Menu, Page, View
from console.rendering.forms import filters_of
from console.visit import Visit


async def _anomalies(visit: Visit, query: AnomaliesQuery) -> View:
    answer = await visit.ask_by(LIST_ANOMALIES, query)
    data = {
        **filters_of(LIST_ANOMALIES, visit),
        "anomalies": answer.items,
        "next": answer.next,
    }
    return View("anomalies.html", "Anomalies", data)


ANOMALIES: Final[Page[Any]] = Page(
    path="/anomalies",
    takes=LIST_ANOMALIES.takes,
    handle=_anomalies,
    menu=Menu("Log", "Anomalies"),
)
