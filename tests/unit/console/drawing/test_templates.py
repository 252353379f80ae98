"""What the templates write: well-formed, safe with hostile texts, and told to who cannot see it."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.answers.revenue import Cohort, CohortReport
from console.drawing.heat_map import retention
from console.drawing.lifelines import lifelines
from console.drawing.machine import machine_picture
from console.drawing.sparkline import sparkline
from domain.aggregates.catalogue import KINDS
from domain.lateness import Stretch
from domain.revenue.cohorts import Retained
from projections.read_models.periods import Lasting
from tests.support.histories import NOON, aggregates, of_one, said
from tests.support.lifecycles import lifecycle
from tests.support.samples import PROJECT
from tests.support.strategies import lives, recorded

if TYPE_CHECKING:
    from domain.delivery import Delivery

FOLDER = PROJECT / "console" / "templates"
PLAIN = Environment(autoescape=True, loader=FileSystemLoader(FOLDER), undefined=StrictUndefined)
"""No filters and no globals of ours, and other rules for blank lines."""
HOSTILE = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(1)> & {{ 7 * 7 }} \u202e"
HOLDS_HANDLER = re.compile(r"^on|^style$")


def link(*named: str) -> str:
    return f'/"><script>{"/".join(named)}'


def written(name: str, drawn: object, **more: object) -> ET.Element:
    """Write a drawing, and read it as XML, in which nothing may be that acts."""
    call = ", ".join(["drawn", *(f"{one}={one}" for one in more)])
    source = (
        f'{{% from "drawing/{name}.html" import {name} %}}<main>{{{{ {name}({call}) }}}}</main>'
    )
    root = ET.fromstring(PLAIN.from_string(source).render(drawn=drawn, **more))  # noqa: S314
    for element in root.iter():
        assert element.tag not in {"script", "style", "img", "iframe", "foreignObject"}
        assert not [name for name in element.attrib if HOLDS_HANDLER.search(name)]
    ids = Counter(element.attrib["id"] for element in root.iter() if "id" in element.attrib)
    assert all(count == 1 for count in ids.values())
    for element in root.iter():
        for attribute in ("aria-labelledby", "aria-describedby"):
            assert {*element.attrib.get(attribute, "").split()} <= ids.keys()
        used = re.findall(r"url\(#([^)]*)\)", " ".join(element.attrib.values()))
        assert {*used} <= ids.keys()
    return root


def check_pictures(root: ET.Element) -> None:
    """Each picture is one for a screen reader, with a name and a description, or is hidden."""
    outer = [*root.iter("svg")]
    inner = {one for svg in outer for one in svg.iter("svg") if one is not svg}
    pictures = [svg for svg in outer if svg not in inner]
    assert pictures
    for svg in pictures:
        if svg.attrib.get("aria-hidden") != "true":
            assert svg.attrib["role"] == "img"
            assert svg[0].tag == "title"
            assert (svg[0].text or "").strip()
            assert svg[1].tag == "desc"
        assert not [*svg.iter("a")], "nothing in a picture can be reached"


def text_of(root: ET.Element) -> str:
    return " ".join("".join(root.itertext()).split())


def test_lifelines_hold_hostile_texts_as_texts() -> None:
    life = lifecycle(aggregates([
        said("subscription.active", 0, subscription_id=HOSTILE, product_id=HOSTILE,
             status="active", recurring_pre_tax_amount=1000, currency="EUR"),
        said("subscription.plan_changed", 60, subscription_id=HOSTILE, product_id="b",
             status=HOSTILE, recurring_pre_tax_amount=2000, currency='"><b>'),
        said("payment.succeeded", 0, payment_id=HOSTILE, subscription_id=HOSTILE, total_amount=1000,
             currency="EUR"),
    ]))  # fmt: skip
    odd = Lasting("dispute", "x", HOSTILE, NOON, None, HOSTILE, None, 1, "EUR", None, ())
    late = msgspec.structs.replace(life.items[0], type=HOSTILE, late_s=90, gap=True)
    stretch = Stretch(2, NOON, NOON, NOON, NOON, out_of_order=False)
    life = msgspec.structs.replace(
        life, periods=[*life.periods, odd], notable=[late], stretches=[stretch]
    )
    root = written("lifelines", lifelines(life, at=NOON + timedelta(days=3)), link=link)
    check_pictures(root)
    assert "<script>alert(1)</script>" in text_of(root)
    assert "49" not in text_of(root)
    assert {a.attrib["href"] for a in root.iter("a")} >= {link("dispute", "x")}


@settings(max_examples=30)
@given(lives(), st.booleans())
def test_the_lifelines_of_any_life_are_well_formed(arrivals: list[Delivery], linked: bool) -> None:
    drawn = lifelines(lifecycle(aggregates(arrivals)), at=NOON + timedelta(days=3), is_past=True)
    root = written("lifelines", drawn, **({"link": link} if linked else {}))
    if drawn.lanes:
        check_pictures(root)
        assert len([*root.iter("desc")]) == len(drawn.lanes) + 1
        assert text_of(root).count("as of 2026-05-04") == 1
    assert bool([*root.iter("a")]) == (linked and drawn.lanes != ())


@pytest.mark.parametrize("kind", KINDS)
def test_every_machine_is_written_with_all_its_states(kind: str) -> None:
    root = written("machine", machine_picture(kind))
    check_pictures(root)
    for state in KINDS[kind].machine.states:
        assert state.replace("_", " ") in text_of(root)


@settings(max_examples=30)
@given(lives())
def test_the_way_of_any_life_is_well_formed(arrivals: list[Delivery]) -> None:
    aggregate = recorded(arrivals)
    for known in aggregate.entities():
        drawn = machine_picture(known.kind.name, known.entity, aggregate.timeline())
        root = written("machine", drawn, link=link)
        check_pictures(root)
        assert len([*root.iter("li")]) >= len(drawn.steps)


def test_a_hostile_status_is_a_text_in_its_box() -> None:
    (known,) = of_one(
        said("subscription.updated", subscription_id="s", status="pending")
    ).entities()
    entity = msgspec.structs.replace(known.entity, status=HOSTILE)
    root = written("machine", machine_picture("subscription", entity))
    check_pictures(root)
    assert "alert(1)" in text_of(root)


def test_a_heat_map_is_a_table_with_heads_and_figures() -> None:
    start = date(2026, 1, 1)
    left = [Retained(n, 1, n / 10, 1, None, HOSTILE) for n in range(11)]
    cohorts = [
        Cohort(start, start, HOSTILE, 10, 1, left), Cohort(start, start, HOSTILE, 1, 1, left[:3])
    ]  # fmt: skip
    report = CohortReport(datetime(2026, 5, 1, tzinfo=UTC), "month", None, cohorts, {})
    root = written("heat_map", retention(report, currency=HOSTILE), link=link)
    classes = " ".join(cell.attrib.get("class", "") for cell in root.iter("td")).split()
    assert {f"heat-{n}" for n in range(11)} <= {*classes}
    scopes = Counter(cell.attrib["scope"] for cell in root.iter("th"))
    assert scopes == {"col": 13, "row": 2}
    rows = {sum(int(cell.attrib.get("colspan", "1")) for cell in row) for row in root.iter("tr")}
    assert rows == {13}
    assert "There are no cohorts yet" in text_of(written("heat_map", retention(report)))


@given(st.lists(st.none() | st.integers(-9, 9), max_size=9))
def test_a_sparkline_has_a_name_and_says_in_words_where_it_went(values: list[float | None]) -> None:
    drawn: Any = sparkline(values, title=HOSTILE, words=[HOSTILE for _ in values])
    check_pictures(written("sparkline", drawn))
