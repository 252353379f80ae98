"""Escaping: no text of a buyer means anything to Windmill, and other texts stay as they are."""

# ruff: noqa: RUF001 -- characters that look alike are what this is about

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from unicodedata import normalize

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.histories import said
from tests.support.triggers import trigger
from tests.support.windmill_stand_in.worker import ArgumentsError, Worker
from workflows.job_arguments import Transformer
from workflows.routes.parser import read_text
from workflows.transforms.escaping import NotAnObjectError, escape, escaped

SECRET = "the value of a secret"
ENVIRONMENT = dict.fromkeys(("WM_TOKEN", "DATABASE_URL", "_x", "a-b"), SECRET)
WORKERS = [Worker(environment=ENVIRONMENT, inside=inside) for inside in (False, True)]
"""Nothing is there that a reference could name: where they meet one, the job fails."""
TARGETS = [
    'script = "f/a/b"',
    'flow = "f/a/b"',
    'url = "https://windmill.example/api/w/shop/jobs/run/p/f/a/b?token=t0k3n"',
]

WRITTEN = """
    $ $ $ ﹩ ＄ var: jsonvar: res: encrypted: interpolate $interpolate WM_TOKEN DATABASE_URL
    VAR ｖａｒ ： : var r es _ x f/a/b " \\ \\u0024 - 5 é
""".split()
INVISIBLE = "\t \n \0 \u200b \u2060 \u00ad \u0301 \ufeff \u3164".split(" ")
PIECES = st.sampled_from([*WRITTEN, *INVISIBLE, " "])
TEXTS = st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=8)
PARTS = st.lists(TEXTS | st.fixed_dictionaries({"$var": TEXTS}), max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXTS, inner, max_size=4)
        | st.fixed_dictionaries({"$interpolate": PARTS})
    ),
    max_leaves=20,
)


def safe(value: object) -> dict[str, Any]:
    """Return arguments as a worker gets them."""
    read: dict[str, Any] = json.loads(msgspec.json.encode(escaped(msgspec.json.encode(value))))
    return read


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_windmill_replaces_nothing_in_what_is_escaped(value: dict[str, object]) -> None:
    found = safe(value)
    for worker in WORKERS:
        assert worker.called(found) == ("main", found)


@given(TEXTS)
@example("$\u200bvar:f/a")
@example("$㏌terpolate")
@example("$\u0316\u0301var:f/a")
@example("$v\u0301ar :f/a")
@example("$DATABASE_URL \u200b")
def test_no_change_of_a_text_on_its_way_gives_it_a_meaning_again(text: str) -> None:
    mended = escape(text)
    ways = [mended, mended.strip(), mended.lower(), mended.upper()]
    assert_are_texts(changed(ways), ENVIRONMENT)
    # Two words may become a name where blanks are taken away: `$AP Rocky` is not worth it.
    assert_are_texts(changed(["".join(way.split()) for way in ways]), {})


def changed(texts: list[str]) -> list[str]:
    ways = texts + [normalize(form, text) for form in ("NFC", "NFKC") for text in texts]
    ascii_only = [normalize("NFKD", way).encode("ascii", "ignore").decode() for way in ways]
    return ways + ascii_only + [way.strip() for way in ascii_only]


def assert_are_texts(texts: list[str], environment: dict[str, str]) -> None:
    for inside in (False, True):
        worker = Worker({"f/a": "x"}, environment=environment, inside=inside)
        for text in texts:
            # A reference beside it has the worker look at all of the argument.
            _, called = worker.called({"text": {text: text, "beside": "$var:f/a"}})
            assert called["text"] == {text: text, "beside": "x"}


@given(TEXTS)
def test_to_escape_twice_is_to_escape_once(text: str) -> None:
    assert escape(escape(text)) == escape(text)


@given(st.text())
def test_what_is_added_is_one_mark_behind_a_dollar_sign(text: str) -> None:
    mended, rest = escape(text), iter(text)
    for before, one in zip(" " + mended, mended, strict=False):
        if one == "-" and before in "$﹩＄" and mended != text:
            continue
        assert one in {next(rest), "-"}


@pytest.mark.parametrize(
    "text",
    [
        *("$", "$5", "5 $", "US$", "$$", "Ke$ha", "A$AP Rocky", "$AP Rocky", "costs $5: cheap"),
        *("$ {x}", "${x}", "$-var:x", "var:x", "res:x", "a $variable", "$result of it", "€", ""),
        *("price: $100", "$1,000.00", "$(date)", "＄5", "$.data.name", "<a@b.example>", "\0"),
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert escape(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$var:f/raphus/raphus_api_key", "$-var:f/raphus/raphus_api_key"),
        ("$jsonvar:f/a", "$-jsonvar:f/a"),
        ("$res:f/raphus/smtp", "$-res:f/raphus/smtp"),
        ("$encrypted:x", "$-encrypted:x"),
        ("Bearer $var:f/a and $res:f/b", "Bearer $-var:f/a and $-res:f/b"),
        ("$interpolate", "$-interpolate"),
        ('"$interpolate', '"$-interpolate'),
        ("$WM_TOKEN", "$-WM_TOKEN"),
        ("see $wm_token", "see $-wm_token"),
        (" $DATABASE_URL\n", " $-DATABASE_URL\n"),
        ("$$var:x", "$$-var:x"),
        ("＄ＶＡＲ：x", "＄-ＶＡＲ：x"),
        ("$ var :x", "$- var :x"),
        ("$\u200bres:x", "$-\u200bres:x"),
    ],
)
def test_a_reference_stays_legible(text: str, expected: str) -> None:
    assert escape(text) == expected


def test_numbers_and_all_else_stay_to_the_byte() -> None:
    given_ = '{"a":[1.0,1e308,12345678901234567890123,-0,"é","\\u00e9"],"b":"$var:x","c":{}}'
    assert msgspec.json.encode(escaped(given_.encode())).decode() == given_.replace("$v", "$-v")


def test_a_number_that_no_script_can_read_is_null() -> None:
    nines = "9" * 309
    given_ = (
        f'{{"a":[1e400,-1E+309,{nines}.5,-{nines},1e-400],"1e400":{{"b":1e999}},"c":"\\"1e400"}}'
    )
    expected = '{"a":[null,null,null,null,1e-400],"1e400":{"b":null},"c":"\\"1e400"}'
    assert msgspec.json.encode(escaped(given_.encode())).decode() == expected


def test_an_escape_sequence_hides_nothing() -> None:
    found = escaped(b'{"a":"\\u0024var:x","\\u005fENTRYPOINT_OVERRIDE":"x","b":"\\uff04res:x"}')
    assert json.loads(msgspec.json.encode(found)) == {"a": "$-var:x", "b": "＄-res:x"}


def test_the_names_that_windmill_keeps_for_itself_are_left_out() -> None:
    assert safe(
        {"_ENTRYPOINT_OVERRIDE": "x", "_MODULES": {}, " _x": 1, "＿x": 2, "a": {"_b": 3}}
    ) == {"a": {"_b": 3}}


@pytest.mark.parametrize("text", [b"[]", b"", b"{", b"{" * 100_000, b'{"a":"$\n"}', b"\xff$"])
def test_what_is_no_object_is_told(text: bytes) -> None:
    with pytest.raises(NotAnObjectError):
        escaped(text)


def test_it_takes_no_longer_than_the_text_is_long() -> None:
    # By the square of its length, each of these would take hours.
    for unit in ("\u200b", "$\u200b", "$", "$var", "$v\u200b\u200b", "$\u0301\u0316"):
        text = "5" + unit * (500_000 // len(unit))
        assert escape(text) == text
    assert len(escape("$var:" * 100_000)) == 600_000


# What is sent.


def sent(route_more: str, type_: str, hostile: str) -> dict[str, Any]:
    """Return what a job is told of a delivery in which everything that can be is hostile."""
    text = f'[[route]]\nname = "x"\non = ["*"]\n{route_more}\n'
    (route,) = read_text(Path("windmill.toml"), text.encode())
    about = "remarks currency business_id product_id cancelled_at payment_method next_billing_date"
    data: dict[str, Any] = dict.fromkeys(about.split(), hostile)
    data["customer"] = {"customer_id": hostile, "email": hostile, hostile: [[[hostile]]]}
    data["metadata"] = {hostile: {"$interpolate": [{"$var": "f/a"}]}}
    given_ = trigger(said(type_, **data))._replace(webhook_id=hostile, id=hostile)
    found: dict[str, Any] = json.loads(asyncio.run(Transformer().arguments(route, given_)))
    return found


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("hostile", ["$var:f/a", "x $res:f/a", "$WM_TOKEN", "$interpolate"])
@pytest.mark.parametrize(
    ("transformation", "type_"),
    [
        ("basic", "payment.succeeded"),
        ("subscription", "subscription.active"),
        ("subscription", "subscription.cancelled"),
        ("dispute", "dispute.opened"),
        ("envelope", "payout.success"),
        ("state", "subscription.active"),
        ("state", "payout.success"),
    ],
)
def test_whatever_is_sent_anywhere_is_escaped(
    target: str, hostile: str, transformation: str, type_: str
) -> None:
    found = sent(f'{target}\ntransformation = "{transformation}"', type_, hostile)
    assert hostile not in json.dumps(found)
    assert hostile.replace("$", "$-") in json.dumps(found)
    for worker in WORKERS:
        assert worker.called(found) == ("main", found)


def test_without_it_windmill_would_replace_them() -> None:
    hostile: dict[str, Any] = {
        "name": "$var:f/a",
        "list": [{"$interpolate": ["x", {"$var": "f/a"}]}],
    }
    hostile |= {"beside": {"a": "$WM_TOKEN", "b": ["$res:f/b"]}, "_ENTRYPOINT_OVERRIDE": "other"}
    worker = Worker({"f/a": SECRET}, {"f/b": {"password": SECRET}}, ENVIRONMENT)
    assert worker.called(hostile) == (
        "other",
        {
            "name": SECRET,
            "list": [f"x{SECRET}"],
            "beside": {"a": SECRET, "b": [{"password": SECRET}]},
        },
    )
    with pytest.raises(ArgumentsError):
        Worker().called(hostile)
