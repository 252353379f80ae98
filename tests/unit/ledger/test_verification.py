"""A log's head: printed, kept elsewhere, and read again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.integrity.verify import Head


@given(st.builds(Head, st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32)))
def test_a_head_is_read_as_it_is_printed(head: Head) -> None:
    assert Head.parse(str(head)) == head
    assert Head.parse(f" {str(head).upper()}\n") == head


def test_a_head_is_printed_as_its_position_and_its_hash_in_hexadecimal() -> None:
    assert str(Head(17, bytes(range(32)))) == "17:" + bytes(range(32)).hex()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "17",
        "17:",
        ":" + "0" * 64,
        "17:" + "0" * 63,
        "17:" + "0" * 65,
        "17:" + "g" * 64,
        "-1:" + "0" * 64,
        "1.5:" + "0" * 64,
        "17 " + "0" * 64,
        f"{2**63}:" + "0" * 64,
        "٣:" + "0" * 64,
        "9" * 10_000 + ":" + "0" * 64,
    ],
)
def test_what_is_no_head_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match="<position>:<hash>"):
        Head.parse(text)
