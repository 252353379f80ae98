"""Bodies that are almost what Dodo sends, and bodies that are nothing like it."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import TYPE_CHECKING, Final

from hypothesis import assume
from hypothesis import strategies as st

from api.webhooks.request_body import BODY_BYTES_MAX
from domain.delivery import DEPTH_MAX
from tests.support.samples import rehearsals, sample, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypothesis.strategies import DrawFn

    from tests.support.samples import Json

_BODIES: Final = sorted((samples() | rehearsals()).values())
_REMOVED: Final = "@removed@"
_DEEP: Final = '"@deep@"'
"""Stands for lists in lists, so deep that no encoder would write them."""
_DEPTHS: Final = [DEPTH_MAX // 2, DEPTH_MAX, 200_000]
_NUMBERS: Final = [0, -1, 1.5, 1e308, 2**31, 2**63 - 1, 2**63, -(2**64), 10**400]
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TEXTS: Final = [
    "",
    " ",
    "\0",
    "pay_\0_1",
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
_ODD: Final[list[Json]] = [*_OTHERS, *_NUMBERS, *_TEXTS, *_TIMES]
_NO_VALUES: Final[list[Json]] = [float("inf"), float("nan"), "\ud800", "\udfff\ud800"]
"""What Python writes, and a strict reader of JSON refuses."""
_SUBJECTS: Final = {
    "subscription.active": ["subscription_id"],
    "payment.succeeded": ["payment_id"],
    "refund.succeeded": ["refund_id", "payment_id"],
    "dispute.opened": ["dispute_id"],
    "license_key.created": ["id"],
}
"""The fields that say what a body is about."""
FLOODED: Final = tuple(_SUBJECTS)
"""The types of which there are bodies full of odd values."""


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
    body = json.loads(draw(st.sampled_from(_BODIES)))
    # Many odd fields under a good head get as far as the read models.
    part, changes_max = draw(st.sampled_from([(body, 2), (body["data"], 8)]))
    for _ in range(draw(st.integers(1, changes_max))):
        if places := list(_places(part)):
            _put(*draw(st.sampled_from(places)), draw(st.sampled_from(_ODD + _NO_VALUES)))
    text = _text(body, escaped=draw(st.booleans()), depth=draw(st.sampled_from(_DEPTHS)))
    broken = draw(st.sampled_from(_BREAKAGES))(text).encode()
    assume(len(broken) <= BODY_BYTES_MAX)  # what is larger is refused
    return broken


def bodies() -> st.SearchStrategy[bytes]:
    """Draw a body, and now and then any text at all."""
    anything = st.text(max_size=200).map(str.encode)
    return st.one_of(*[mutated()] * 7, anything)


def flooded(type_: str) -> Iterator[bytes]:
    """Make bodies of a type with one odd value in all of their fields, each about its own."""
    for number, value in enumerate(_ODD):
        body = sample(type_)
        fields = [] if value == _REMOVED else list(body["data"])
        body["data"] = dict.fromkeys(fields, value)
        body["data"].update(dict.fromkeys(_SUBJECTS[type_], f"flooded_{number}"))
        yield _text(body, escaped=True, depth=DEPTH_MAX - 2).encode()


def _text(body: object, *, escaped: bool, depth: int) -> str:
    text = json.dumps(body, ensure_ascii=escaped)
    if _SURROGATE.search(text):  # in UTF-8 it can only stand escaped
        text = json.dumps(body)
    return text.replace(_DEEP, "[" * depth + "]" * depth)


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
        where[key] = deepcopy(value)  # it may be the place of the next change
