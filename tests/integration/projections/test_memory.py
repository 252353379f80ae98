"""A few large bodies: how much memory it takes to follow, rebuild, list and match them."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from ledger.application import Ledger
from tests.support import prepared
from tests.support.deliveries import receipts
from tests.support.histories import said
from tests.support.http_server import served
from tests.support.projected import project
from tests.support.rebuilds import rebuilt

if TYPE_CHECKING:
    from domain.delivery import Delivery

MIB: Final = 2**20
LARGE: Final = 14
"""So many bodies about one subscription, and as many about one subscription each."""
ONE_STREAM, APART = "cus_one", "cus_apart"
AS_OF: Final = "2026-06-01T00:00:00Z"
_METADATA: Final = msgspec.Raw(msgspec.json.encode({f"k{n}": n for n in range(64_000)}))
_PEAK: Final = "VmHWM:"


def large(number: int, subscription_id: str, customer_id: str) -> Delivery:
    """Make a body of 0.9 MB that is ten times as large as objects."""
    about = {"subscription_id": subscription_id, "customer": {"customer_id": customer_id}}
    made = said("subscription.renewed", number, f"msg_{number}", **about, metadata=_METADATA)
    assert 0.8 * MIB < len(made.body) < MIB
    return made


@pytest.fixture
def merchant(database: str) -> str:
    """Give a database with 28 large bodies in 15 streams, none of them followed."""
    with Ledger(database) as ledger:
        for n in range(LARGE):
            one, apart = (n, "sub_one", ONE_STREAM), (LARGE + n, f"sub_{n}", APART)
            receipts(ledger.record([large(*one), large(*apart)]))
    return database


def peak_bytes() -> int:
    """Return the most memory that this process ever had, and the largest of its children."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (kib,) = (int(line.split()[1]) for line in lines if line.startswith(_PEAK))
    return (kib + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 2**10


def follow(conninfo: str) -> None:
    project(conninfo)


def rebuild(conninfo: str) -> None:
    assert rebuilt(conninfo, check=True).equal


def list_then(conninfo: str) -> None:
    with served(conninfo) as server:
        for customer_id, count in ((APART, LARGE), (ONE_STREAM, 1)):
            query = {"customer_id": customer_id, "as_of": AS_OF}
            page = server.get("/v1/subscriptions", limit=100, **query)
            assert len(page["items"]) == count


ACTS = {act.__name__: act for act in (follow, rebuild, list_then)}
"""In their order: what has been followed is rebuilt."""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells the peak on Linux only")
@pytest.mark.long
def test_large_bodies_take_a_few_times_their_bytes(merchant: str) -> None:
    added = {act: added_bytes(act, merchant) for act in ACTS}
    # All bodies together have 25 MiB; as objects, those of one stream alone would have 140.
    assert {act: bytes_ for act, bytes_ in added.items() if bytes_ >= 100 * MIB} == {}


def added_bytes(act: str, conninfo: str) -> int:
    """Do something in a process of its own; return how much more memory it took than starting."""
    with prepared.start(__name__, msgspec.json.encode([act, conninfo])) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.close()
        return msgspec.json.decode(child.stdout.read(), type=int)


def main() -> int:
    """Do what standard input says, and print how much more memory it took than starting."""
    act, conninfo = msgspec.json.decode(sys.stdin.buffer.read(), type=tuple[str, str])
    before = peak_bytes()
    ACTS[act](conninfo)
    print(peak_bytes() - before)
    return 0
