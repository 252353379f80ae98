"""An import takes all that Dodo's API has into the log: once, whatever happens to it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import domain.aggregate
from dodo.errors import DodoAwayError, KeyRefusedError, UnreadableAnswerError
from domain.aggregates.credit import CreditEntity
from domain.timeline import fold
from ledger.erasure import Request
from projections.read_models.catalogue import READ_MODELS
from reconciliation.account import AccountError
from reconciliation.finished import tell_finished
from reconciliation.import_lists import walk_lists
from reconciliation.import_state import ImportState
from reconciliation.session import BusyError, opened
from reconciliation.things import THINGS
from simulator import Occurrence, merchant
from simulator.subjects import ID_FIELDS
from telemetry.progress import silent
from tests.support.announcing import announced
from tests.support.connected import connected
from tests.support.dodo_stand_in import PRESENT, limited, saying, standing_in
from tests.support.http_server import copied
from tests.support.log import broken_links, lines, told_to_us
from tests.support.projected import project
from tests.support.reconciled import (
    delivered,
    entities,
    entities_of,
    imported,
    source,
    varied_merchant,
)
from workflows.erasure import forget

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from domain.entity import Entity, Kind
    from domain.timeline import Fact, Folded, FoldedBefore
    from simulator.dodo_api.asking import Reply

OCCURRENCES: Final = varied_merchant()
OF_THE_API_ALONE: Final = {"license_key"}
"""No webhook tells that a licence key is disabled."""
DOUBTS: Final = "in doubt"
"""Asks about what is in doubt, which less is after an import."""


def states(conninfo: str) -> dict[tuple[str, str], Any]:
    """The status of each thing, who has it, and when it was last charged or paid."""
    return {
        named: (one.status, one.customer_id, getattr(one, "previous_billing_date", None))
        for named, one in entities(conninfo).items()
    }


def named(occurrence: Occurrence) -> tuple[str, str]:
    """The thing that a webhook is about."""
    kind = occurrence.type.partition(".")[0]
    data = msgspec.json.decode(occurrence.body)["data"]
    return kind, str(data.get(ID_FIELDS.get(kind, "")))


def answered(reply: Reply) -> Reply:
    """Let the answer be as it is."""
    return reply


@pytest.fixture(scope="module")
def undisturbed(cluster: str, template: str) -> dict[tuple[str, str], Any]:
    """What an import that nothing disturbs leads to."""
    with copied(cluster, template) as conninfo, standing_in(OCCURRENCES) as dodo:
        imported(conninfo, dodo)
        return states(conninfo)


@pytest.fixture(scope="module")
def by_webhooks() -> dict[tuple[str, str], Entity]:
    """What all webhooks lead to, without an import."""
    return entities_of(OCCURRENCES)


def test_all_that_dodo_has_is_imported_and_a_second_import_adds_nothing(database: str) -> None:
    with standing_in(OCCURRENCES) as dodo:
        first = imported(database, dodo)
        before = told_to_us(database)
        second = imported(database, dodo)
    assert [count.news for count in second.values() if count.news] == []
    read = {name: count.objects for name, count in first.items() if name != DOUBTS}
    assert {name: second[name].objects for name in read} == read
    assert told_to_us(database) == before
    assert broken_links(lines(database)) == []
    known = Counter(kind for kind, _ in entities(database))
    happened = Counter(kind for kind, _ in set(map(named, OCCURRENCES)) if kind != "credit")
    for kind in ("subscription", "payment", "refund", "dispute", "license_key", "payout"):
        assert known[kind] == happened[kind], kind
    assert known["customer"] == 4 + 1, "one has bought nothing"
    assert known["product"] > 0


def test_grants_of_deleted_entitlements_are_found_by_customer(database: str) -> None:
    with standing_in(OCCURRENCES) as dodo:
        all_of_them = {e["id"] for e in dodo._shop.entitlements()}
    gone = frozenset(map(str, all_of_them))
    with standing_in(OCCURRENCES, deleted_entitlements=gone) as dodo:
        counts = imported(database, dodo)
    granted = {id_ for kind, id_ in map(named, OCCURRENCES) if kind == "entitlement_grant"}
    assert granted
    assert counts["entitlement_grants"].objects == 0
    assert {id_ for kind, id_ in entities(database) if kind == "entitlement_grant"} == granted


def test_an_import_that_was_broken_off_goes_on_where_it_was(
    database: str, undisturbed: dict[tuple[str, str], Any]
) -> None:
    with standing_in(OCCURRENCES) as dodo:
        for times in (3, 20, 40):
            dodo.faults.extend([answered] * times + [saying(500)] * 4)
            with pytest.raises(DodoAwayError):
                imported(database, dodo)
        before = len(dodo.asked)
        imported(database, dodo)
        rest = len(dodo.asked) - before
        assert states(database) == undisturbed
        with connected(database, autocommit=True) as conn:
            conn.execute("DELETE FROM raphus.import_places")
        before = len(dodo.asked)
        imported(database, dodo)
        assert rest < len(dodo.asked) - before, "what was read is not read again"


@settings(max_examples=4, phases=[Phase.explicit, Phase.generate])
@given(st.randoms(use_true_random=False))
def test_webhooks_before_meanwhile_and_afterwards_lead_to_the_same(
    cluster: str,
    template: str,
    by_webhooks: dict[tuple[str, str], Entity],
    random: Random,
) -> None:
    parts: list[list[Occurrence]] = [[], [], []]
    for occurrence in OCCURRENCES:
        random.choice(parts).append(occurrence)
    with copied(cluster, template) as mixed:
        delivered(mixed, parts[0])
        with standing_in(OCCURRENCES) as dodo:
            dodo.between.extend([lambda: None] * 5 + [lambda: delivered(mixed, parts[1])])
            imported(mixed, dodo)
        delivered(mixed, parts[2])
        found = entities(mixed)
        for name, entity in by_webhooks.items():
            if name[0] in OF_THE_API_ALONE:
                continue
            told = found[name].status, found[name].folded_status, found[name].drift
            assert told == (entity.status, entity.folded_status, entity.drift), name


def test_of_an_unreadable_page_nothing_is_recorded_and_it_is_told_which(database: str) -> None:
    with standing_in(OCCURRENCES) as dodo:
        dodo.broken["/payments"] = saying(200, b'{"items": [{"payment_id": 7}]}')
        with pytest.raises(UnreadableAnswerError, match="GET /payments"):
            imported(database, dodo)
        assert not [line for line in lines(database) if line.topic.startswith("raphus.payment_")]
        assert [line for line in lines(database) if line.topic.startswith("raphus.subscription_")]
        del dodo.broken["/payments"]
        imported(database, dodo)
    assert [line for line in lines(database) if line.topic.startswith("raphus.payment_")]


def test_too_many_requests_are_waited_for(
    database: str, undisturbed: dict[tuple[str, str], Any]
) -> None:
    with standing_in(OCCURRENCES) as dodo:
        dodo.faults.extend([limited("0.01"), limited(), answered] * 30)
        imported(database, dodo)
    assert states(database) == undisturbed


def test_a_wrong_key_records_nothing(database: str) -> None:
    with (
        standing_in(OCCURRENCES) as dodo,
        pytest.raises(KeyRefusedError, match="DODO_PAYMENTS_ENVIRONMENT"),
        opened(database, source(dodo, key="wrong-key")),
    ):
        pass
    assert lines(database) == []


def test_the_end_of_an_import_is_announced_once_with_what_was_read(database: str) -> None:
    with standing_in(OCCURRENCES) as dodo:
        lists = imported(database, dodo, with_details=False)
        (told,) = announced(database)
        assert told["type"] == "import.finished"
        data = told["data"]
        assert (data["source"], data["mode"]) == ("dodo_api", "test_mode")
        walks = {one["walk"]: (one["objects"], one["news"]) for one in data["walks"]}
        assert sorted(count for count in walks.values() if count[0]) == sorted(
            tuple(count) for count in lists.values() if count.objects
        )
        assert data["objects"] == sum(count.objects for count in lists.values())
        assert data["news"] == sum(count.news for count in lists.values())
        assert told["timestamp"] == data["ended_at"]
        # Whoever dies before he has told it tells it when he begins again.
        with opened(database, source(dodo)) as session:
            state = ImportState(session.conn, session.taker.account, silent)
            tell_finished(session, state)
            assert announced(database) == [told]
            session.conn.execute("DELETE FROM raphus.ledger_events WHERE webhook_id <> ''")
        imported(database, dodo, with_details=False)
        assert announced(database)[0] == told
        assert len(announced(database)) == 2


def test_a_key_of_another_business_has_to_be_meant(database: str) -> None:
    ours = merchant(2, customers=2, until=PRESENT, business_id="bus_ours")
    delivered(database, ours)
    before = lines(database)
    with standing_in(OCCURRENCES) as dodo:
        with (
            pytest.raises(AccountError, match="--business bus_demo"),
            opened(database, source(dodo)),
        ):
            pass
        with (
            pytest.raises(AccountError, match="and not of bus_ours"),
            opened(database, source(dodo), business_id="bus_ours"),
        ):
            pass
        with opened(database, source(dodo), business_id="bus_demo") as session:
            assert session.taker.account.business_id == "bus_demo"
    assert lines(database) == before


def test_a_key_of_the_other_mode_finds_nothing_that_is_known_and_records_nothing(
    database: str,
) -> None:
    delivered(database, merchant(2, customers=2, until=PRESENT))
    before = lines(database)
    with (
        standing_in(OCCURRENCES) as dodo,
        pytest.raises(AccountError, match="in test_mode"),
        opened(database, source(dodo)),
    ):
        pass
    assert lines(database) == before


def test_of_two_at_once_one_is_told_that_the_other_runs(database: str) -> None:
    with (
        standing_in(OCCURRENCES) as dodo,
        opened(database, source(dodo)),
        pytest.raises(BusyError, match="another import or reconciliation runs"),
        opened(database, source(dodo)),
    ):
        pass


def test_who_was_forgotten_stays_so(followed: str) -> None:
    customer = next(
        entity.customer_id for named, entity in entities(followed).items() if entity.customer_id
    )
    forget(followed, Request(str(customer), None, "asked for it", None))
    with standing_in(OCCURRENCES) as dodo:
        imported(followed, dodo)
        project(followed)
    with connected(followed) as conn:
        rows = [
            str(row)
            for model in READ_MODELS
            for row in conn.execute(f"SELECT t::text FROM raphus.{model.table} AS t".encode())
        ]
    his = [row for row in rows if str(customer) in row]
    assert his
    assert not [row for row in his if "@example" in row]
    about_him = [line.state for line in lines(followed) if str(customer).encode() in line.state]
    assert not [state for state in about_him if b"@example" in state]


LONG: Final = 600
"""So many entries, of which a page of Dodo's has 100."""
LOW: Final = "credit.balance_low"
"""The one webhook about credits that is no entry."""


def test_a_long_ledger_is_gone_through_a_few_times_however_long_it_is(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded = 0

    def counted(
        kind: Kind, entity_id: str, facts: Iterable[Fact], before: FoldedBefore[Any] | None = None
    ) -> Folded:
        nonlocal folded
        told = list(facts)
        folded += len(told)
        return fold(kind, entity_id, told, before)

    monkeypatch.setattr(domain.aggregate, "fold", counted)
    earlier = [one for one in OCCURRENCES if one.type.startswith("credit.")]
    ledger = [*earlier, *added_to(earlier[-1], LONG)]
    missing = ledger.pop()
    (credits_,) = [thing for thing in THINGS if thing.name == "credits"]
    with standing_in(ledger) as dodo, opened(database, source(dodo), follows=False) as session:
        state = ImportState(session.conn, session.taker.account, silent)
        walk_lists(session.taker, state, credits_)
        assert LONG < folded < 12 * LONG
        folded = 0
        dodo.insert(missing)
        dodo.at += timedelta(hours=1)
        state.forget()
        assert walk_lists(session.taker, state, credits_).news == 1
        assert LONG < folded < 12 * LONG
    (account,) = entities(database).values()
    assert isinstance(account, CreditEntity)
    assert account.entries == LONG + len([one for one in earlier if one.type != LOW])
    assert account.unexplained == 0


def added_to(last: Occurrence, count: int) -> list[Occurrence]:
    """Make so many entries behind the last one of a ledger, of one credit each, up to now."""
    told = msgspec.json.decode(last.body)
    balance = int(told["data"]["balance_after"])
    made = []
    for number in range(count):
        at = PRESENT - timedelta(minutes=count - number)
        moved = {"amount": "1", "is_credit": True, "transaction_type": "credit_added"}
        moved |= {
            "balance_before": str(balance + number),
            "balance_after": f"{balance + number + 1}",
        }
        data = told["data"] | moved | {"id": f"cle_{number}", "created_at": at.isoformat()}
        body = told | {"type": "credit.added", "timestamp": at.isoformat(), "data": data}
        made.append(Occurrence(f"msg_{number}", "credit.added", at, msgspec.json.encode(body)))
    return made
