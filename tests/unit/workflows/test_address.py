"""Addresses: where jobs are started, what is refused, and that no token shows."""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.targets.surroundings import Windmill
from workflows.targets.target import TargetError
from workflows.targets.windmill.address import Address
from workflows.targets.windmill.declaration import TARGETS, WindmillTarget

JOB = UUID(int=7)
WINDMILL = Windmill("https://windmill.example", "shop", "wm_secret")
TOKENS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=40)


def a_target(**declared: object) -> WindmillTarget:
    ((name, value),) = declared.items()
    return TARGETS[name](value)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ({"script": "f/raphus/message"}, "run/p/f/raphus/message"),
        ({"flow": "u/someone@example.com/a_flow"}, "run/f/u/someone@example.com/a_flow"),
        ({"script_hash": "1A2b"}, "run/h/1A2b"),
        ({"flow_version": 12}, "run/fv/12"),
    ],
)
def test_the_environment_and_the_route_together_say_where(
    target: dict[str, object], path: str
) -> None:
    address = Address.of("ours", a_target(**target), WINDMILL)
    root = "https://windmill.example/api/w/shop"
    assert address.to_start(JOB) == f"{root}/jobs/{path}?job_id={JOB}"
    assert address.to_find(JOB) == f"{root}/jobs_u/get/{JOB}?no_logs=true&no_code=true"
    assert address.of_outcome(JOB) == f"{root}/jobs_u/completed/get_result_maybe/{JOB}"
    assert address.headers["authorization"] == "Bearer wm_secret"


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8000/", "https://shop.example/windmill"])
def test_a_windmill_may_have_a_port_or_stand_below_a_path(base_url: str) -> None:
    address = Address.of("ours", a_target(script="f/a/b"), WINDMILL._replace(base_url=base_url))
    assert address.workspace_url == f"{base_url.rstrip('/')}/api/w/shop"


def test_a_whole_url_needs_no_environment_and_keeps_what_else_it_says() -> None:
    url = "https://h.example/base/api/w/other/jobs/run/p/f/a/b?tag=big&token=t%2Bx&job_id=1&e="
    address = Address.of("ours", a_target(url=url), Windmill())
    assert address.to_start(JOB) == (
        f"https://h.example/base/api/w/other/jobs/run/p/f/a/b?job_id={JOB}&tag=big&e="
    )
    assert address.headers["authorization"] == "Bearer t+x"


@pytest.mark.parametrize("missing", ["base_url", "workspace", "token"])
def test_what_is_missing_is_named(missing: str) -> None:
    with pytest.raises(TargetError, match=f"route ours needs WINDMILL_{missing.upper()}, or"):
        Address.of("ours", a_target(script="f/a/b"), WINDMILL._replace(**{missing: None}))


@pytest.mark.parametrize(
    "base_url",
    [
        "https://user:password@windmill.example",
        "https://windmill.example?token=wm_secret",
        "https://windmill.example/#wm_secret",
        "ftp://windmill.example",
        "https://",
    ],
)
def test_an_address_that_is_not_what_it_seems_is_refused_and_not_quoted(base_url: str) -> None:
    with pytest.raises(TargetError) as caught:
        Address.of("ours", a_target(script="f/a/b"), WINDMILL._replace(base_url=base_url))
    assert "secret" not in str(caught.value)
    assert "password" not in str(caught.value)


@pytest.mark.parametrize("escaped", ["a%0Ab", "a%20b", "%C3%A9", "x" * 1_001])
def test_a_token_that_would_break_the_header_is_refused_and_not_quoted(escaped: str) -> None:
    url = f"https://h.example/api/w/other/jobs/run/p/f/a/b?token={escaped}"
    with pytest.raises(TargetError) as caught:
        Address.of("ours", a_target(url=url), Windmill())
    assert str(caught.value) == "the token may hold visible ASCII characters only"


@given(TOKENS, st.text(), st.text())
def test_no_token_shows_in_an_address_or_in_a_text_that_is_masked(
    token: str, before: str, after: str
) -> None:
    address, other = (Address.of("ours", _with(one), Windmill()) for one in (token, "another"))
    assert address.token == token
    assert _shown(address) == _shown(other)
    for form in (token, quote(token, safe="")):
        assert token not in address.masked(f"{before} {form} {after}")


def _with(token: str) -> WindmillTarget:
    return a_target(url=f"https://h.example/api/w/o/jobs/run/p/f/a/b?token={quote(token, safe='')}")


def _shown(address: Address) -> list[str]:
    asked = address.to_start(JOB), address.to_find(JOB), address.of_outcome(JOB)
    return [repr(address), str(address), *asked]


def test_no_token_shows_in_what_the_environment_said() -> None:
    assert "wm_secret" not in repr(WINDMILL)
