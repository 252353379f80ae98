"""Whatever stands in a field, what is read has the declared type, or is absent."""

from __future__ import annotations

import pytest

from domain.field_readers import (
    boolean,
    identities,
    identity,
    instant,
    integer,
    text,
)
from tests.support.histories import NOON
from tests.support.samples import Json


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("card", "card"),
        ("", ""),
        ("a\0b", "a\ufffdb"),
        ("x" * 501, "x" * 500),
        ("🦤" * 501, "🦤" * 500),
        ("\u202eabc", "\u202eabc"),
        (None, None),
        (5, None),
        (True, None),
        (["card"], None),
    ],
)
def test_text_is_cut_and_cleaned(value: Json, read: str | None) -> None:
    assert text(value) == read


@pytest.mark.parametrize("value", ["pay_1", "x" * 200, "INV/2026/01", "<string>", "日本"])
def test_any_printable_text_of_up_to_200_characters_is_an_id(value: str) -> None:
    assert identity(value) == value


@pytest.mark.parametrize("value", ["", "x" * 201, "a\0", "a\n", "\u202ea", None, 5, True, [], {}])
def test_what_cannot_be_an_id_is_absent_rather_than_cut(value: Json) -> None:
    assert identity(value) is None


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (0, 0),
        (-400, -400),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        (-(2**63) - 1, None),
        (10**30, None),
        ("6100", 6100),
        ("-6100", -6100),
        ("0", 0),
        ("9" * 19, None),
        ("61.00", None),
        (" 6100", None),
        ("٦١", None),
        ("", None),
        (True, None),
        (61.5, None),
        (float("inf"), None),
        (None, None),
        ([], None),
    ],
    ids=repr,
)
def test_an_integer_has_64_bits_and_may_be_written_as_text(value: Json, read: int | None) -> None:
    assert integer(value) == read
    assert not isinstance(integer(value), bool)


@pytest.mark.parametrize(
    ("value", "read"), [(True, True), (False, False), (1, None), ("true", None), (None, None)]
)
def test_only_true_and_false_are_booleans(value: Json, read: bool | None) -> None:
    assert boolean(value) is read


@pytest.mark.parametrize("value", ["2026-05-01T14:00:00+02:00", "2026-05-01T12:00:00"])
def test_an_instant_is_read_in_utc(value: str) -> None:
    assert instant(value) == NOON


@pytest.mark.parametrize("value", ["9999-12-31T23:59:59-01:00", "soon", "", 1777636800, None, []])
def test_what_is_no_instant_is_absent(value: Json) -> None:
    assert instant(value) is None


def test_a_list_of_ids_leaves_out_what_is_none_and_has_an_end() -> None:
    assert identities(["a", None, 5, "b", ""]) == ("a", "b")
    assert identities(["x"] * 1000) == ("x",) * 100
    assert identities("ab") == identities({"a": 1}) == identities(None) == ()
