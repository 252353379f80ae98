"""How amounts, times and ids are written on pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.rendering import words
from domain.money import decimal_text
from domain.stream_id import stream_id


@pytest.mark.parametrize(
    ("amount_minor", "currency", "written"),
    [
        (123_456, "USD", "1,234.56\N{NO-BREAK SPACE}USD"),
        (-5, "EUR", "−0.05\N{NO-BREAK SPACE}EUR"),
        (4_350, "JPY", "4,350\N{NO-BREAK SPACE}JPY"),
        (1_234_567, "KWD", "1,234.567\N{NO-BREAK SPACE}KWD"),
        (7, None, "7 in minor units"),
        (None, "USD", ""),
    ],
)
def test_an_amount_is_written_in_its_currency(
    amount_minor: int | None, currency: str | None, written: str
) -> None:
    assert words.money(amount_minor, currency) == written


@given(amount_minor=st.integers(-(10**15), 10**15), currency=st.sampled_from(["USD", "JPY", "KWD"]))
def test_nothing_of_an_amount_is_lost(amount_minor: int, currency: str) -> None:
    digits = words.money(amount_minor, currency).split("\N{NO-BREAK SPACE}")[0]
    assert digits.replace(",", "").replace("−", "-") == decimal_text(amount_minor, currency)


def test_a_time_is_written_in_utc_and_exactly_for_who_points_at_it() -> None:
    at = datetime(2026, 5, 1, 1, 30, 7, 250, tzinfo=timezone(timedelta(hours=2)))
    exact = "2026-04-30T23:30:07.000250Z"
    assert words.when(at) == f'<time datetime="{exact}" title="{exact}">2026-04-30 23:30</time>'
    assert ">2026-04-30<" in words.day(at)
    assert words.field_time(at) == "2026-04-30T23:30:07"
    assert words.when(None) == words.day(None) == words.ago(None) == ""


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.2, "a moment ago"), (61, "1 minute ago"), (7_300, "2 hours ago"), (-90_000, "in 1 day")],
)
def test_how_long_ago_is_told_in_the_largest_unit(seconds: float, written: str) -> None:
    assert f">{written}<" in words.ago(datetime.now(UTC) - timedelta(seconds=seconds))


@given(id_=st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])))
def test_an_id_is_one_part_of_a_path_whatever_is_in_it(id_: str) -> None:
    path = words.path_of("payment", id_)
    assert urlsplit(path) == ("", "", path, "", "")
    assert path.count("/") == 2
    assert unquote(path.removeprefix("/payments/")) == id_


def test_a_field_that_ends_like_an_id_names_what_it_says() -> None:
    assert words.kind_named_by("customer_id") == "customer"
    assert words.kind_named_by("recovered_payment_id") == "payment"
    assert words.kind_named_by("payment_id") == "payment"
    for names_none in ("id", "brand_id", "business_id", "status", "invoice_id", "payment"):
        assert words.kind_named_by(names_none) is None


@given(tenant=st.text(), id_=st.text())
def test_of_a_streams_id_dodos_own_is_written_as_dodo_spells_it(tenant: str, id_: str) -> None:
    assert words.about(stream_id("payment", tenant, id_)).name == id_


@pytest.mark.parametrize(
    ("parts", "path", "filters"),
    [
        (("payment", "bus_1", "pay/1"), "/payments/pay%2F1", {}),
        (("credit", "bus_1", "cus_1", "ent_1"), "/credits/cus_1%2Fent_1", {}),
        (("dunning", "bus_1", "sub_1"), "/dunnings", {"subscription_id": "sub_1"}),
        (("notice", "msg_1"), None, {}),
        (("erasure", "bus_1", "cus_1"), None, {}),
    ],
)
def test_a_stream_leads_to_what_it_is_about(
    parts: tuple[str, ...], path: str | None, filters: dict[str, str]
) -> None:
    found = words.about(stream_id(*parts))
    assert (found.path, found.filters) == (path, filters)
