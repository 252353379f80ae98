"""How often keys may be tried, by any clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from console.sessions.tries import (
    ALL_REGAIN_S,
    OF_ALL,
    OF_PEER,
    PEER_REGAINS_S,
    PEERS_MAX,
    Tries,
)


def allowed(tries: Tries, peer: str, now: float) -> bool:
    """Try once, wrongly, if it may be tried."""
    if tries.wait_s(peer, now):
        return False
    tries.count(peer, now)
    return True


@given(pauses=st.lists(st.floats(0, 100), max_size=200))
def test_a_peer_is_wrong_no_oftener_than_it_may_be(pauses: list[float]) -> None:
    tries, now, wrong = Tries(), 1_000.0, 0
    for pause in pauses:
        now += pause
        wrong += allowed(tries, "192.0.2.1", now)
        assert wrong <= OF_PEER + (now - 1_000.0) / PEER_REGAINS_S + 1e-6


def test_who_waits_as_long_as_he_is_told_may_try_again() -> None:
    tries = Tries()
    while allowed(tries, "192.0.2.1", 0.0):
        pass
    wait_s = tries.wait_s("192.0.2.1", 0.0)
    assert not allowed(tries, "192.0.2.1", wait_s - 0.01)
    assert allowed(tries, "192.0.2.1", wait_s)


def test_one_peer_keeps_no_other_out_and_many_together_are_limited_too() -> None:
    tries = Tries()
    while allowed(tries, "192.0.2.1", 0.0):
        pass
    assert allowed(tries, "192.0.2.2", 0.0)
    wrong = sum(allowed(tries, f"198.51.100.{n}", 0.0) for n in range(10 * OF_ALL))
    assert wrong == OF_ALL - OF_PEER - 1
    assert allowed(tries, "203.0.113.1", ALL_REGAIN_S)


def test_however_many_peers_try_only_so_many_are_remembered() -> None:
    tries = Tries()
    for number in range(PEERS_MAX + 50):
        tries.count(str(number), float(number))
    assert len(tries._peers) == PEERS_MAX
