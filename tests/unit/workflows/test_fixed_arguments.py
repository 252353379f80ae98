"""Fixed arguments: what a route gives to each of its jobs, beside what the event gives."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.samples import sample
from tests.support.triggers import trigger
from workflows.job_arguments import Transformer
from workflows.routes.parser import read_text
from workflows.routes.routes_file import Route, RoutesError
from workflows.routes.schema import FIXED_BYTES_MAX

ROUTE = '[[route]]\nname = "x"\non = ["*"]\nscript = "f/raphus/x"\n'
FIXED = """transformation = "dispute"
[route.arguments]
channel = "#disputes"
slack = "$res:f/raphus/slack"
urgent = "never"
limits = { days = 4, share = 0.5, at_night = false, among = ["a", 1] }
"""


def one(text: str) -> Route:
    (route,) = read_text(Path("windmill.toml"), text.encode())
    return route


def arguments(route: Route, replay: int = 0) -> dict[str, Any]:
    given = trigger({**sample("dispute.opened")}, replay=replay)
    found: dict[str, Any] = json.loads(asyncio.run(Transformer().arguments(route, given)))
    return found


def test_they_go_to_every_job_in_place_of_what_the_transformation_gives() -> None:
    plain = arguments(one(f'{ROUTE}transformation = "dispute"\n'))
    assert plain["urgent"] is True
    assert arguments(one(ROUTE + FIXED)) == {
        **plain,
        "channel": "#disputes",
        "slack": "$res:f/raphus/slack",
        "urgent": "never",
        "limits": {"days": 4, "share": 0.5, "at_night": False, "among": ["a", 1]},
    }


def test_they_mean_to_windmill_what_they_say() -> None:
    said = '{ a = "$var:f/a", b = [{ c = "$res:f/b" }], _ENTRYPOINT_OVERRIDE = "other" }'
    found = arguments(one(f"{ROUTE}arguments = {said}\n"))
    assert (found["a"], found["b"]) == ("$var:f/a", [{"c": "$res:f/b"}])
    assert found["_ENTRYPOINT_OVERRIDE"] == "other"


def test_a_replay_is_marked_whatever_they_say() -> None:
    fixed = f"{ROUTE}arguments = {{ raphus_replay = 9, note = 'x' }}\n"
    found = arguments(one(fixed), replay=2)
    assert (found["raphus_replay"], found["note"]) == (2, "x")


def test_only_their_names_are_shown() -> None:
    route = one(f"{ROUTE}arguments = {{ password = 'hidden' }}\n")
    assert route.show().arguments == ["password"]
    assert "hidden" not in str(route.show()) + repr(route)
    assert one(ROUTE).show().arguments == []


def test_routes_that_differ_in_them_differ() -> None:
    assert one(ROUTE + FIXED) == one(ROUTE + FIXED)
    assert one(ROUTE + FIXED) != one(ROUTE + FIXED.replace("#disputes", "#sales"))


@pytest.mark.parametrize(
    ("written", "line", "what"),
    [
        ("arguments = 'x'", 5, "arguments must be a table of text, numbers"),
        ("arguments = ['x']", 5, "arguments must be a table"),
        ("\n[route.arguments]\nx = 2026-01-01", 6, "arguments must be a table"),
        ("arguments = { x = [{ y = 07:00:00 }] }", 5, "arguments must be a table"),
        ("arguments = { x = inf }", 5, "arguments must be a table"),
        (f"arguments = {{ x = '{'y' * FIXED_BYTES_MAX}' }}", 5, "65544 bytes of JSON; at most"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_line(written: str, line: int, what: str) -> None:
    with pytest.raises(RoutesError) as caught:
        one(f"{ROUTE}{written}\n")
    assert str(caught.value).startswith(f"windmill.toml:{line}: ")
    assert what in str(caught.value)
