"""Routes: what a file declares, where it is wrong, and which deliveries are wanted."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates.announcement import FAMILY_OF
from tests.support.histories import said
from tests.support.samples import sample
from tests.support.triggers import trigger
from workflows.announcing.while_wanted import wanted_by
from workflows.routes.parser import ROUTES_MAX, read_text
from workflows.routes.routes_file import (
    Route,
    Routes,
    RoutesError,
    ShownRoute,
)
from workflows.targets.windmill.declaration import WindmillTarget

TOKEN = "WmTok3nNobodyMaySee"
URL = f"https://windmill.example/api/w/shop/jobs/run/p/f/raphus/charge?token={TOKEN}"
NAMED = 'name = "x"\non = ["*"]\n'
ROUTE = f'[[route]]\n{NAMED}script = "f/raphus/x"\n'
FULL = f"""
# Everything that a route may say.
[[route]]
name = "disputes-to-chat"
on = ["dispute.*", "payment.failed"]
url = "{URL}"
transformation = "dispute"
enabled = false
verdicts = ["applied", "refused"]
[route.where]
"data.currency" = ["USD", "EUR"]
"data.amount" = {{ min = 100, max = 10_000 }}
"data.reason" = {{ not = "fraud" }}
"data.customer" = {{ present = true }}

[[route]]
name = "log"
on = ["*"]
flow = "u/shop/log"
"""


def read(text: str) -> Routes:
    """Read routes of a file that is nowhere."""
    return read_text(Path("windmill.toml"), text.encode())


def one(text: str) -> Route:
    """Read the one route that is declared."""
    (route,) = read(text)
    return route


def problem(text: str) -> str:
    """Return what is said of a wrong file."""
    with pytest.raises(RoutesError) as caught:
        read(text)
    return str(caught.value)


def test_a_route_says_what_it_wants_and_what_it_starts() -> None:
    first, second = routes = read(FULL)
    assert [route.name for route in routes] == ["disputes-to-chat", "log"]
    assert first.target == WindmillTarget("run/p/f/raphus/charge", URL)
    assert second.target == WindmillTarget("run/f/u/shop/log")
    assert (first.transformation, first.enabled) == ("dispute", False)
    assert first.verdicts == ("applied", "refused")
    assert len(first.conditions) == 4
    assert routes.named("log") is second
    assert routes.named("nobody") is None


def test_a_route_that_says_little_is_on_and_gets_the_state_of_what_is_not_refused() -> None:
    route = one(ROUTE)
    assert (route.transformation, route.own_code, route.enabled) == ("state", None, True)
    assert route.verdicts == ("applied", "unchanged", "anomaly", "none")
    assert (route.conditions, route.target) == ((), WindmillTarget("run/p/f/raphus/x"))


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ('script = "f/raphus/x"', "run/p/f/raphus/x"),
        ('script = "u/shop.owner@x/deep/er"', "run/p/u/shop.owner@x/deep/er"),
        ('script = "hub/28/slack/send"', "run/p/hub/28/slack/send"),
        ('flow = "f/raphus/x"', "run/f/f/raphus/x"),
        ('script_hash = "00a1B2c3d4e5f607"', "run/h/00a1B2c3d4e5f607"),
        ("flow_version = 17", "run/fv/17"),
        ('flow_version = "17"', "run/fv/17"),
        (f'url = "{URL}"', "run/p/f/raphus/charge"),
        (f'url = "{URL.replace("https", "http")}"', "run/p/f/raphus/charge"),
        (f'url = "{URL.replace("/api/w", "/base/api/w")}&tag=x"', "run/p/f/raphus/charge"),
    ],
)
def test_a_target_is_a_path_behind_jobs(target: str, path: str) -> None:
    declared = one(f"[[route]]\n{NAMED}{target}").target
    assert isinstance(declared, WindmillTarget)
    assert declared.path == path


def test_a_token_is_shown_to_nobody() -> None:
    route = read(FULL)[0]
    shown = "https://windmill.example/api/w/shop/jobs/run/p/f/raphus/charge?token=…"
    assert route.shown == shown
    assert TOKEN not in f"{route!r} {route} {read(FULL)!r}"
    assert TOKEN.encode() not in msgspec.json.encode(read(FULL).show())


def test_a_route_is_shown_as_it_was_declared() -> None:
    assert read(FULL).show()[1] == ShownRoute(
        name="log",
        on=["*"],
        kind="windmill",
        target="run/f/u/shop/log",
        transformation="state",
        enabled=True,
        verdicts=["applied", "unchanged", "anomaly", "none"],
        where={},
    )
    assert read(FULL).show()[0].where == {
        "data.currency": ["USD", "EUR"],
        "data.amount": {"min": 100, "max": 10_000},
        "data.reason": {"not": "fraud"},
        "data.customer": {"present": True},
    }


WHERE = ROUTE + "[route.where]\n"
WRONG = {
    "no TOML": ("[[route]]\nname = \n", 2, "not TOML: Invalid value"),
    "cut off": (f'{ROUTE}transformation = "sta', 5, "not TOML: Unterminated string"),
    "a key twice": (f'{ROUTE}name = "y"\n', 5, "not TOML: Cannot overwrite a value"),
    "deep": (f"x = {'[' * 5_000}", 1, "nested too deeply"),
    "digits": (f"{ROUTE}\nx = {'9' * 5_000}", 1, "has too many digits"),
    "another table": (f"{ROUTE}\n[[routes]]\n", 6, "unknown key 'routes'; expected is [[route]]"),
    "one bracket": ('[route]\nname = "x"', 1, "declared with [[route]]"),
    "a typo": (f'{ROUTE}scirpt = "f/a/b"\n', 5, "unknown key 'scirpt'; expected are name, on,"),
    "no name": ('\n[[route]]\non = ["*"]\nscript = "f/a/b"', 2, "this route has no name"),
    "no types": ('\n[[route]]\nname = "x"\nscript = "f/a/b"', 2, "this route has no on"),
    "a bad name": (ROUTE.replace('"x"', '"Ünfug"'), 2, "name must be 1 to 63 lower-case letters"),
    "a name that is none": (ROUTE.replace('"x"', "5"), 2, "name must be"),
    "the name of another": (ROUTE * 2, 6, "a route named 'x' stands above already"),
    "a text for types": (ROUTE.replace('["*"]', '"*"'), 3, "on must list 1 to 50 types"),
    "no type": (ROUTE.replace('["*"]', "[]"), 3, "on must list 1 to 50 types"),
    "too many types": (ROUTE.replace('["*"]', f"{['a'] * 51}"), 3, "on must list 1 to 50 types"),
    "a type with ?": (ROUTE.replace("*", "payment.?"), 3, "on must be a type of Dodo's"),
    "a type that is none": (ROUTE.replace('"*"', "5"), 3, "on must be a type of Dodo's"),
    "no target": (f"[[route]]\n{NAMED}", 1, "exactly one of script, flow, script_hash,"),
    "two targets": (f'{ROUTE}flow = "f/a/b"\n', 5, "not script and flow"),
    "a script's URL": (ROUTE.replace("f/raphus/x", "http://h/f/a/b"), 4, 'such as "f/folder/name"'),
    "a path that climbs": (ROUTE.replace("f/raphus/x", "f/a/../b"), 4, "must be a path"),
    "a hash that is none": (ROUTE.replace('script = "f/raphus/x"', "script_hash = 12"), 4, "hash"),
    "a version of 0": (ROUTE.replace('script = "f/raphus/x"', "flow_version = 0"), 4, "version"),
    "a version that is true": (
        ROUTE.replace('script = "f/raphus/x"', "flow_version = true"),
        4,
        "must be the number of a flow's version",
    ),
    "an unknown transformation": (f'{ROUTE}transformation = "basics"\n', 5, "must be one of basic"),
    "a transformation that is none": (f"{ROUTE}transformation = []\n", 5, "must be one of basic"),
    "a function without a file": (f'{ROUTE}transformation = "python:f"\n', 5, "must name a file"),
    "a file without a function": (
        f'{ROUTE}transformation = "python:f.py"\n',
        5,
        'must name a file and a function: "python:file.py:function"',
    ),
    "no such file": (
        f'{ROUTE}transformation = "python:nowhere.py:f"\n',
        5,
        "names 'nowhere.py': there is no such file",
    ),
    "no such script": (
        f'{ROUTE}transformation = "javascript:nowhere.js"\n',
        5,
        "names 'nowhere.js': there is no such file",
    ),
    "a word for on or off": (f'{ROUTE}enabled = "yes"\n', 5, "enabled must be true or false"),
    "an unknown verdict": (f'{ROUTE}verdicts = ["fine"]\n', 5, "of applied, unchanged, refused,"),
    "no verdict": (f"{ROUTE}verdicts = []\n", 5, "verdicts must list one or more"),
    "a condition that is none": (f"{ROUTE}where = 5\n", 5, "where must be a table"),
    "a place without quotes": (f'{WHERE}data.x = "y"\n', 6, "written in quotes"),
    "an unknown test": (f'{WHERE}"data.x" = {{ max = 1, mni = 5 }}\n', 6, "does not know 'mni'"),
    "a test of nothing": (f'{WHERE}"data.x" = {{}}\n', 6, "says nothing"),
    "a limit that is text": (f'{WHERE}"data.x" = {{ min = "5" }}\n', 6, "a number for min and max"),
    "a limit of nan": (f'{WHERE}"data.x" = {{ min = nan }}\n', 6, "a number for min and max"),
    "presence in words": (f'{WHERE}"data.x" = {{ present = "no" }}\n', 6, "true or false"),
    "a date": (f'{WHERE}"data.y" = 1\n"data.x" = 2026-01-01\n', 7, "data.x must be text, a number"),
    "a list in a list": (f'{WHERE}"data.x" = [["y"]]\n', 6, "must be text, a number"),
    "no values": (f'{WHERE}"data.x" = []\n', 6, "must list 1 to 1000 values"),
    "a place without a name": (f'{WHERE}"data..x" = 1\n', 6, "must name a place"),
    "too many conditions": (
        WHERE + "".join(f'"data.x{n}" = 1\n' for n in range(51)),
        5,
        "there are 51 conditions; at most 50 may be",
    ),
    "too many routes": (
        "".join(ROUTE.replace('"x"', f'"x{n}"') for n in range(ROUTES_MAX + 1)),
        ROUTES_MAX * 4 + 1,
        "there are 201 routes; at most 200 may be",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_told_with_its_line_and_what_is_expected(wrong: str) -> None:
    text, line, expected = WRONG[wrong]
    message = problem(text)
    assert message.startswith(f"windmill.toml:{line}: ")
    assert expected in message


def test_what_is_told_has_an_end() -> None:
    assert len(problem(f"{ROUTE}{'x' * 100_000} = 1")) < 600


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (URL.partition("?")[0], "must end with its token"),
        (URL.replace("/run/", "/run_wait_result/"), "must be the asynchronous URL"),
        (URL.replace("/jobs/", "/job/"), "must be the webhook URL of a script or a flow"),
        (URL.replace("https", "ftp"), "beginning with https:// or http://"),
        (URL.replace("https://windmill.example", ""), "beginning with https:// or http://"),
        (URL.replace("windmill.example", "windmill.example:port"), "with a host and perhaps a"),
        (URL.replace("windmill", "windm ill"), "without spaces"),
        (URL.replace("windmill", "windmühle"), "other than ASCII characters are written %XX"),
        (URL.replace("windmill.", "me:word@windmill."), "without user name, password"),
        (f"{URL}#top", "without user name, password and #"),
        (URL + "x" * 2_000, "of 2000 characters at most"),
    ],
)
def test_a_wrong_url_is_told_without_its_token(url: str, expected: str) -> None:
    message = problem(f'[[route]]\n{NAMED}url = "{url}"\n')
    assert message.startswith("windmill.toml:4: url must ")
    assert expected in message
    assert TOKEN not in message


def test_a_text_that_is_no_utf8_is_told_with_its_line() -> None:
    with pytest.raises(RoutesError, match=r"^windmill\.toml:2: not text in UTF-8$"):
        read_text(Path("windmill.toml"), b"[[route]]\nname = \xff")


@given(st.integers(0, len(FULL)), st.text(max_size=4), st.integers(0, 9))
def test_whatever_is_done_to_a_file_it_is_read_or_told_wrong_with_a_line(
    at: int, written: str, cut: int
) -> None:
    try:
        told = str(read(FULL[:at] + written + FULL[at + cut :]).show())
    except RoutesError as error:
        told = str(error)
    assert re.match(r"windmill\.toml:[1-9][0-9]*: |\[(ShownRoute\(|\])", told)


def wanting(**declared: str) -> Route:
    """Declare a route; a value is TOML."""
    keys = {"on": '["*"]', **declared}
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return one(f'[[route]]\nname = "x"\nscript = "f/a/b"\n{lines}')


def test_a_route_wants_its_types() -> None:
    route = wanting(on='["dispute.*", "payment.failed"]')
    assert route.wants_type("dispute.opened")
    assert route.wants_type("payment.failed")
    assert not route.wants_type("payment.succeeded")
    assert route.wants(trigger(sample("dispute.opened")))
    assert not route.wants(trigger(sample("payment.succeeded")))


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("access.*", ["access.granted", "access.revoked"]),
        ("access.granted", ["access.granted"]),
        ("anomaly.op*", ["anomaly.opened"]),
        ("import.finished", ["import.finished"]),
        ("*", []),
        ("*.granted", []),
        ("a*", []),
    ],
)
def test_announcements_are_wanted_by_who_names_what_they_are_about(
    pattern: str, wanted: list[str]
) -> None:
    (route,) = read_text(Path("x"), ROUTE.replace('"*"', f'"{pattern}"').encode())
    assert [type_ for type_ in FAMILY_OF if route.wants_type(type_)] == wanted
    assert wanted_by(Routes([route])) == {FAMILY_OF[type_] for type_ in wanted} - {"import"}


def test_a_route_that_is_off_wants_nothing() -> None:
    route = wanting(enabled="false")
    assert not route.wants_type("dispute.opened")
    assert not route.wants(trigger(sample("dispute.opened")))


def test_a_refused_fact_is_wanted_only_by_who_says_so() -> None:
    cancelled = said("subscription.cancelled", 1, subscription_id="sub_1")
    refused = trigger(said("subscription.renewed", 2, subscription_id="sub_1"), cancelled)
    assert refused.verdict == "refused"
    assert not wanting().wants(refused)
    assert wanting(verdicts='["refused"]').wants(refused)
    assert not wanting(verdicts='["refused"]').wants(trigger(cancelled))


def test_a_delivery_of_which_no_machine_is_asked_is_wanted_unless_one_says_not() -> None:
    notice = trigger({**sample("payout.success"), "type": "payout.reversed"})
    assert notice.verdict is None
    assert wanting().wants(notice)
    assert not wanting(verdicts='["applied", "unchanged", "refused"]').wants(notice)


def test_all_conditions_must_hold() -> None:
    opened = trigger(sample("dispute.opened"))  # of 49.00 USD
    usd, large = '"data.currency" = "USD"', '"data.amount" = { min = 5000 }'
    assert wanting(where=f"{{ {usd} }}").wants(opened)
    assert not wanting(where=f"{{ {usd}, {large} }}").wants(opened)
