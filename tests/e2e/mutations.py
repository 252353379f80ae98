"""Mutations: bodies that are almost what Dodo sends, and bodies that are nothing like it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from tests.samples import official, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypothesis.strategies import DrawFn

    from tests.samples import Json

_BODIES: Final = sorted((samples() | official()).values())
_REMOVED: Final = "@removed@"
_DEEP: Final = '"@deep@"'
"""Stands for what no encoder of Python's would write."""
_NUMBERS: Final = [0, -1, 1.5, 1e308, 2**31, 2**63 - 1, 2**63, -(2**64), 10**400, float("inf")]
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TEXTS: Final = [
    "",
    " ",
    "\0",
    "pay_\0_1",
    "\ud800",
    "\udfff\ud800",
    "\ufeff",
    "\u202eevil",
    "ﬃ🦤" * 200,
    "x" * 10_000,
    "e\u0301" * 300,
    "a/b%2F?#&\\'\";--",
    "unknown_status",
    "succeeded",
    "9" * 30,
]
_TIMES: Final = [
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999-23:59",
    "2026-02-30T00:00:00Z",
    "2026-05-01T12:00:00",
    "2026-05-01T24:00:00Z",
    "2026-05-01t12:00:00.123456789z",
    "1970-01-01T00:00:00-00:00",
    "infinity",
    "not a time",
]
_OTHERS: Final[list[Json]] = [
    _REMOVED,
    None,
    True,
    False,
    [],
    {},
    [[]],
    {"": {}},
    "@deep@",
    ["x"] * 300,
]
_VALUES: Final[st.SearchStrategy[Json]] = st.one_of(
    st.sampled_from(_OTHERS), st.sampled_from(_NUMBERS), st.sampled_from(_TEXTS + _TIMES)
)


def _as_it_is(text: str) -> str:
    return text


_BREAKAGES: Final[list[Callable[[str], str]]] = [
    *[_as_it_is] * 8,
    lambda text: text[: len(text) // 2],
    lambda text: f"\ufeff{text}",
    lambda text: f"\r\n\t {text}\n\0",
    lambda text: text + text,
    lambda text: text.replace("{", '{"type":"payment.succeeded","data":null,', 1),
    lambda text: text.replace('"', "'"),
    lambda text: f"[{text}]",
]


@st.composite
def mutated(draw: DrawFn) -> bytes:
    """Draw a sample body with some of its values replaced, and at times not even JSON."""
    body: Json = json.loads(draw(st.sampled_from(_BODIES)))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(body))
        if places:
            _put(*draw(st.sampled_from(places)), draw(_VALUES))
    text = json.dumps(body, ensure_ascii=draw(st.booleans()))
    if _SURROGATE.search(text):  # in UTF-8 it can only stand escaped
        text = json.dumps(body)
    depth = draw(st.sampled_from([100, 2_000, 200_000]))
    text = text.replace(_DEEP, "[" * depth + "]" * depth)
    return draw(st.sampled_from(_BREAKAGES))(text).encode()


def bodies() -> st.SearchStrategy[bytes]:
    """Draw a body, and now and then any text at all."""
    anything = st.text(max_size=200).map(str.encode)
    return st.one_of(*[mutated()] * 7, anything)


def _places(value: Json) -> Iterator[tuple[dict[str, Json], str]]:
    """Find every key, of the outer objects first."""
    if isinstance(value, dict):
        yield from ((value, key) for key in value)
        for inner in value.values():
            yield from _places(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _places(inner)


def _put(where: dict[str, Json], key: str, value: Json) -> None:
    if value == _REMOVED:
        del where[key]
    else:
        where[key] = value
