"""Who has to go when there are too many connections, and how many there may be."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.admission import Admission, longest_waiting
from api.http.capacity import CONNECTIONS_MAX, FILES_ENOUGH, FILES_RESERVED, Capacity

HERE, THERE = "192.0.2.1", "192.0.2.2"


@dataclass(eq=False)
class Peer:
    """A connection; `waits_since` None: the server works for it."""

    waits_since: float | None
    address: str = HERE
    aborted: int = field(default=0)

    def abort(self) -> None:
        self.aborted += 1


def peers(*waiting: float | None, address: str = HERE) -> list[Peer]:
    return [Peer(since, address) for since in waiting]


def test_as_long_as_there_is_room_nobody_goes() -> None:
    here = peers(1, 2, 3)
    Admission(3).admit(here[-1], set(here))
    assert not any(peer.aborted for peer in here)


def test_who_has_kept_the_server_waiting_longest_goes_and_the_newcomer_stays() -> None:
    here = peers(5, None, 1, 3, 9)
    Admission(4).admit(here[-1], set(here))
    assert [peer.aborted for peer in here] == [0, 0, 1, 0, 0]


def test_where_the_server_works_for_all_the_newcomer_goes() -> None:
    here = peers(None, None, None)
    newcomer = Peer(None)
    Admission(3).admit(newcomer, {*here, newcomer})
    assert newcomer.aborted
    assert not any(peer.aborted for peer in here)


def test_several_go_at_once_and_make_room_for_those_that_follow() -> None:
    admission, here = Admission(64), set(peers(*range(64)))
    for number in range(64, 72):
        newcomer = Peer(number)
        here.add(newcomer)
        admission.admit(newcomer, here)
        assert sum(not peer.aborted for peer in here) <= 64
    assert {peer.waits_since for peer in here if peer.aborted} == set(range(8))
    assert all(peer.aborted <= 1 for peer in here)


def test_room_that_was_made_is_not_counted_twice() -> None:
    admission, here = Admission(2), peers(1, 2, 3)
    admission.admit(here[2], set(here))
    admission.forget(here[0])
    newcomer = Peer(4)
    admission.admit(newcomer, {here[1], here[2], newcomer})
    assert [peer.aborted for peer in (*here, newcomer)] == [1, 1, 0, 0]


def test_an_address_that_has_more_than_half_makes_the_room_itself() -> None:
    patient, crowd = peers(0, 1, address=THERE), peers(5, 6, 7)
    assert longest_waiting([*patient, *crowd], 2) == crowd[:2]


def test_where_no_address_has_so_many_each_waits_for_itself() -> None:
    crowd = [Peer(number, f"198.51.100.{number}") for number in range(9)]
    shop = peers(20, 21, 22, address=HERE)
    assert longest_waiting([*shop, *crowd], 3) == crowd[:3]


def test_all_of_an_ipv6_network_is_one_address() -> None:
    crowd = [Peer(number + 5, f"2001:db8::{number:x}") for number in range(9)]
    other = [Peer(number, f"2001:db8:0:{number:x}::1") for number in range(1, 6)]
    assert longest_waiting([*crowd, *other], 2) == crowd[:2]
    mapped = [Peer(number, f"::ffff:192.0.2.{number}") for number in range(9)]
    assert longest_waiting([*reversed(mapped)], 2) == mapped[:2]


@pytest.mark.parametrize("address", ["", "fe80::1%eth0", "/a/socket", "a:b"])
def test_whatever_an_address_is_it_counts(address: str) -> None:
    here = peers(1, 2, address=address)
    assert longest_waiting(here, 1) == here[:1]


@given(st.integers(min_value=256, max_value=2**40))
def test_connections_and_those_to_be_accepted_never_take_the_last_files(files_max: int) -> None:
    connections_max, backlog = Capacity.of(files_max)
    assert connections_max + backlog + FILES_RESERVED <= files_max
    assert connections_max > 0
    assert backlog > 0


@given(st.integers(min_value=1, max_value=255))
def test_with_very_few_files_half_are_for_connections(files_max: int) -> None:
    connections_max, backlog = Capacity.of(files_max)
    assert 1 <= connections_max <= max(files_max / 2, 1)
    assert backlog >= 1


def test_with_enough_files_there_is_room_for_all_connections() -> None:
    assert Capacity.of(FILES_ENOUGH).connections_max == CONNECTIONS_MAX
    assert Capacity.of(10**9) == Capacity.of(FILES_ENOUGH)
