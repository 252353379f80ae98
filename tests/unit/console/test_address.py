"""What an address asks with: what forms send becomes what the API takes, once and for all."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.errors import ApiError
from api.http.reader import pairs_of
from api.resources.objects import OBJECTS
from console.address import completed
from projections.read_models.catalogue import LISTINGS

FIELDS = {
    name: field
    for resource in LISTINGS
    for name, field in OBJECTS[resource].list.reader.query.items()
}
TEXTS = st.text(max_size=20) | st.sampled_from(
    [
        "",
        " ",
        "2026-05-01",
        "2026-05-01T10:00",
        "2026-05-01T10:00:07",
        "a=b",
        "=",
        "a=",
        "=b",
        " a = b ",
    ]
)
PAIRS = st.lists(
    st.tuples(st.sampled_from([*FIELDS, "q", "metadata[a]"]) | st.text(), TEXTS), max_size=8
)


@given(pairs=PAIRS)
def test_what_is_complete_stays_as_it_is_through_an_address(pairs: list[tuple[str, str]]) -> None:
    once = completed(pairs, FIELDS)
    assert completed(pairs_of(urlencode(once).encode()), FIELDS) == once
    assert all(text for _, text in once)


@pytest.mark.parametrize(
    ("name", "sent", "asked"),
    [
        ("status", " active ", [("status", "active")]),
        ("status", "  ", []),
        ("as_of", "2026-05-01", [("as_of", "2026-05-01T00:00:00Z")]),
        ("as_of", "2026-05-01T10:30", [("as_of", "2026-05-01T10:30:00Z")]),
        ("as_of", "2026-05-01T10:30:07.5", [("as_of", "2026-05-01T10:30:07.5Z")]),
        ("as_of", "2026-05-01T10:30:00+02:00", [("as_of", "2026-05-01T10:30:00+02:00")]),
        ("as_of", "yesterday", [("as_of", "yesterday")]),
        ("metadata", "plan = pro=1", [("metadata[plan]", "pro=1")]),
        ("metadata", "plan=", []),
        ("q", "2026-05-01", [("q", "2026-05-01")]),
    ],
)
def test_each_field_is_completed_as_its_kind(
    name: str, sent: str, asked: list[tuple[str, str]]
) -> None:
    assert completed([(name, sent)], FIELDS) == asked


@pytest.mark.parametrize("query", ["ÿ".encode("latin-1"), b"a=1&" * 40])
def test_what_is_no_query_is_refused(query: bytes) -> None:
    with pytest.raises(ApiError) as error:
        pairs_of(query)
    assert error.value.status == 400
