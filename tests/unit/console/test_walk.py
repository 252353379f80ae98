"""The walk through a history: where a page stands among the instants, and what is next to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from console.pages.events import pretty
from console.pages.history import walk_of
from domain.timeline import Entry

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = st.integers(0, 40)


def entry(hour: int, type_: str = "payment.succeeded") -> Entry:
    at = BEGAN + timedelta(hours=hour)
    return Entry(
        kind="payment",
        id="pay_1",
        webhook_id=f"msg_{hour}",
        type=type_,
        occurred_at=at,
        recorded_at=at,
        position=str(hour),
        verdict=None,
        reason=None,
        gap=False,
        from_=None,
        to=None,
        changes=(),
    )


@given(st.lists(HOURS), st.none() | HOURS)
def test_from_any_place_the_next_ones_are_the_nearest_instants(
    hours: list[int], hour: int | None
) -> None:
    as_of = None if hour is None else BEGAN + timedelta(hours=hour)
    walk = walk_of([entry(one) for one in sorted(hours, reverse=True)], as_of)
    instants = sorted({BEGAN + timedelta(hours=one) for one in hours})
    assert [notch.at for notch in walk.notches] == [*instants, None]
    before = [at for at in instants if as_of is None or at < as_of]
    after = [at for at in instants if as_of is not None and at > as_of]
    assert (walk.earlier.at if walk.earlier else None) == (before[-1] if before else None)
    if as_of is None:
        assert walk.later is None
        assert walk.notches[walk.place].at is None
    else:
        assert walk.later is not None
        assert walk.later.at == (after[0] if after else None)


def test_what_happened_at_one_instant_is_one_place() -> None:
    together = [entry(1, f"payment.{word}") for word in "abcde"]
    (notch, now) = walk_of(together, None).notches
    assert notch.text == "payment.e, payment.d, payment.c and 2 more"
    assert now.text == "now"


def test_a_body_is_set_out_with_every_number_as_it_is_spelled() -> None:
    assert pretty('{"a":1.50,"b":[12345678901234567890]}') == (
        '{\n  "a": 1.50,\n  "b": [\n    12345678901234567890\n  ]\n}'
    )
    assert pretty("no json") is None
    assert pretty("[" * 10_000) is None
    assert pretty(None) is None
