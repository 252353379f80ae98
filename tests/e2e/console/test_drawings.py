"""Drawings in a real browser: under the policy of all pages, for everybody, on every screen."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from api.answers.revenue import Cohort, CohortReport
from api.http.listening import listening, url_of
from api.http.server import in_background
from console.drawing.heat_map import retention
from console.drawing.lifelines import lifelines
from console.drawing.machine import machine_picture
from console.drawing.sparkline import sparkline
from console.rendering.environment import environment
from console.security import HEADERS
from console.static_files import PATH, Files, asset
from domain.aggregates.catalogue import KINDS
from domain.revenue.cohorts import Retained
from tests.support.browser import axe, looking
from tests.support.histories import aggregates
from tests.support.lifecycles import lifecycle
from tests.support.projected import UNTIL, simulated
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page
    from starlette.requests import Request

TEMPLATE: Final = """\
{% from "drawing/heat_map.html" import heat_map %}
{% from "drawing/lifelines.html" import lifelines %}
{% from "drawing/machine.html" import machine %}
{% from "drawing/sparkline.html" import sparkline %}
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>x</title>
<link rel="icon" href="{{ asset('favicon.svg') }}">
{% for name in ("raphus.css", "drawing.css", "vendor/uplot.min.css") %}
<link rel="stylesheet" href="{{ asset(name) }}">
{% endfor %}
{% for name in ("vendor/uplot.min.js", "charts.js") %}
<script src="{{ asset(name) }}" defer></script>
{% endfor %}
</head>
<body><main><h1>Drawings</h1>
{{ lifelines(life, link) }}
{% for one in machines %}{{ machine(one, link) }}{% endfor %}
{{ heat_map(heat) }}
<p>{{ sparkline(spark) }}</p>
{% for way in ("line", "bars", "stacked") %}
<figure data-chart="{{ way }}"><div class="table"><table><caption>{{ way }}</caption>
<thead><tr><th scope="col">Month</th><th scope="col">New</th><th scope="col">Churn</th></tr></thead>
<tbody>
{% for month in range(1, 7) %}
<tr><th scope="row"><time datetime="2026-0{{ month }}-01">2026-0{{ month }}</time></th>
<td>1,{{ month }}00.00 EUR</td><td data-value="-{{ month }}00">−{{ month }} hundred</td></tr>
{% endfor %}
</tbody></table></div></figure>
{% endfor %}
</main></body></html>
"""


def written() -> str:
    built = aggregates(simulated(3))
    kinds = {known.kind.name: known for one in built.values() for known in one.entities()}
    timelines = [entry for one in built.values() for entry in one.timeline()]
    left = [Retained(n, 9, 1 - n / 10, 1, None) for n in range(11)]
    cohort = Cohort(date(2026, 1, 1), date(2026, 1, 31), "EUR", 10, 1, left)
    report = CohortReport(datetime(2026, 5, 1, tzinfo=UTC), "month", None, [cohort], {})
    return (
        environment()
        .from_string(TEMPLATE)
        .render(
            asset=asset,
            life=lifelines(lifecycle(built), at=UNTIL),
            machines=[
                machine_picture(kind, kinds[kind].entity, timelines, key=kind)
                if kind in kinds
                else machine_picture(kind, key=kind)
                for kind in KINDS
            ],
            heat=retention(report, currency="EUR"),
            spark=sparkline([1, 3, None, 2, 5], title="MRR"),
            link=lambda kind, id_: f"/{kind}/{id_}",
        )
    )


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Serve a page that has one of each drawing, as the console serves pages."""
    html = written()

    async def page(_: Request) -> HTMLResponse:
        return HTMLResponse(html, headers=HEADERS)

    app = Starlette(routes=[Route("/", page), Route(PATH, Files())])
    with listening("127.0.0.1", 0) as sock, in_background(app, sock):
        yield url_of(sock)


def opened(page: Page) -> None:
    page.goto("/")
    page.wait_for_function("document.querySelectorAll('.chart canvas').length === 3")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_drawings_are_for_everybody(
    browser: Browser, url: str, scheme: Literal["light", "dark"]
) -> None:
    with looking(browser, url, scheme=scheme, again=True) as page:
        opened(page)
        page.eval_on_selector_all("details", "all => all.forEach((one) => { one.open = true })")
        assert axe(page) == []


def test_drawings_fit_on_a_phone(browser: Browser, url: str) -> None:
    with looking(browser, url, width=360, again=True) as page:
        opened(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        for label in page.locator(".lifelines-axis text:visible").all():
            box = label.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 360


def test_no_two_labels_of_an_axis_touch(browser: Browser, url: str) -> None:
    for width in (360, 700, 1280):
        with looking(browser, url, width=width, again=True) as page:
            opened(page)
            boxes = [one.bounding_box() for one in page.locator("text.tick-label:visible").all()]
            sides = [(box["x"], box["x"] + box["width"]) for box in boxes if box is not None]
            assert len(sides) > 1
            assert all(one[1] < two[0] for one, two in pairwise(sides))


def test_words_on_bars_stay_within_them(browser: Browser, url: str) -> None:
    for width in (360, 1280):
        with looking(browser, url, width=width, again=True) as page:
            opened(page)
            assert page.evaluate(
                """[...document.querySelectorAll("text.state-word")]
                .filter((one) => getComputedStyle(one).display !== "none")
                .every((one) => {
                    const bar = one.parentNode.querySelector("rect:not(.tail)");
                    const right = (shape) => shape.getBoundingClientRect().right;
                    return right(one) <= right(bar);
                })"""
            )


def test_a_chart_shows_the_texts_of_the_table_which_stays_in_reach(
    browser: Browser, url: str
) -> None:
    with looking(browser, url, again=True) as page:
        opened(page)
        figure = page.locator("figure[data-chart=stacked]")
        assert figure.locator("table").filter(has_text="Month").is_hidden()
        over = figure.locator(".u-over")
        over.scroll_into_view_if_needed()
        size = over.bounding_box()
        assert size is not None
        over.hover(position={"x": size["width"] - 5, "y": 20})
        until(lambda: "1,600.00 EUR" in figure.locator(".u-legend").inner_text())
        assert "−6 hundred" in figure.locator(".u-legend").inner_text()
        figure.get_by_text("Figures").click()
        assert figure.locator("table").filter(has_text="Month").is_visible()


def test_a_chart_follows_the_theme_and_the_width(browser: Browser, url: str) -> None:
    with looking(browser, url, again=True) as page:
        opened(page)
        drawn = "document.querySelector('.chart canvas').toDataURL()"
        light, wide = page.evaluate(drawn), page.evaluate("document.querySelector('canvas').width")
        page.emulate_media(color_scheme="dark")
        until(lambda: page.evaluate(drawn) != light)
        page.set_viewport_size({"width": 500, "height": 800})
        until(lambda: page.evaluate("document.querySelector('canvas').width") < wide)
        assert page.locator(".chart canvas").count() == 3


def test_without_scripts_there_are_the_tables(browser: Browser, url: str) -> None:
    with looking(browser, url, scripts=False) as page:
        page.goto("/")
        assert page.locator("figure[data-chart] table:visible").count() == 3
        assert page.locator("canvas").count() == 0
