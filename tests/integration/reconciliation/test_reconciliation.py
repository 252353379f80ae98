"""A reconciliation tells what was lost, since when and for how much; what it found is kept."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from dodo.errors import DodoAwayError
from reconciliation.finding import Outcome
from reconciliation.reconciler import Reconciler
from reconciliation.session import BusyError, Source, opened
from tests.support.connected import connected
from tests.support.dodo_stand_in import KEY, saying, standing_in
from tests.support.http_server import served
from tests.support.keys import client_with, made
from tests.support.log import lines
from tests.support.projected import running
from tests.support.reconciled import (
    delivered,
    entities,
    imported,
    reconciled,
    source,
    varied_merchant,
)
from tests.support.waiting import until

if TYPE_CHECKING:
    from dodo.pace import Pace
    from reconciliation.finding import Finding
    from simulator import Occurrence
    from simulator.dodo_api.asking import Asked
    from tests.support.dodo_stand_in import DodoStandIn

OCCURRENCES: Final = varied_merchant()


def newest(*types: str) -> Occurrence:
    """The last webhook of one of these types."""
    return next(one for one in reversed(OCCURRENCES) if one.type in types)


def object_id(occurrence: Occurrence) -> str:
    """The id of what a webhook is about."""
    kind = occurrence.type.partition(".")[0]
    data = msgspec.json.decode(occurrence.body)["data"]
    return str(data.get(f"{kind}_id") or data.get("id"))


def about(occurrence: Occurrence, among: list[Finding]) -> Finding:
    """What was found of the thing that a webhook is about."""
    (found,) = [one for one in among if one.id == object_id(occurrence)]
    return found


def test_a_lost_renewal_is_told_with_its_time_and_money(database: str) -> None:
    renewed = newest("subscription.renewed")
    delivered(database, [one for one in OCCURRENCES if one.occurred_at < renewed.occurred_at])
    soon = renewed.occurred_at + timedelta(minutes=10)
    with standing_in(OCCURRENCES, at=soon) as dodo:
        found = about(renewed, reconciled(database, dodo).findings)
    data = msgspec.json.decode(renewed.body)["data"]
    assert found.types == ("subscription.renewed",)
    assert found.since == datetime.fromisoformat(data["previous_billing_date"])
    assert (found.amount, found.currency) == (data["recurring_pre_tax_amount"], data["currency"])


@pytest.mark.parametrize(
    "type_", ["payment.succeeded", "refund.succeeded", "dispute.won", "subscription.cancelled"]
)
def test_one_webhook_that_was_lost_is_the_one_that_is_told(database: str, type_: str) -> None:
    lost = newest(type_)
    delivered(database, [one for one in OCCURRENCES if one is not lost])
    with standing_in(OCCURRENCES) as dodo:
        done = reconciled(database, dodo)
        again = reconciled(database, dodo)
    found = about(lost, done.findings)
    assert found.outcome in {Outcome.LOST, Outcome.UNKNOWN}
    assert found.types == (type_,)
    assert found.amount is not None
    assert found.currency is not None
    assert not found.may_still_come
    assert done.differs
    assert not again.differs
    assert any("replay" in one and type_ in one for one in done.advice)


def test_what_dodo_no_longer_has_is_marked_and_not_removed(followed: str) -> None:
    payment = object_id(newest("payment.succeeded"))
    with standing_in(OCCURRENCES) as dodo:
        imported(followed, dodo)
        dodo.remove("payment", payment)
        done = reconciled(followed, dodo)
        again = reconciled(followed, dodo)
    (gone,) = [one for one in done.findings if one.outcome is Outcome.MISSING]
    assert (gone.kind, gone.id) == ("payment", payment)
    assert not again.differs, "it is told once"
    entity = entities(followed)["payment", payment]
    assert entity.status == "succeeded"
    assert entity.missing_since is not None


def test_a_check_finds_the_same_and_writes_nothing(database: str) -> None:
    delivered(database, [one for one in OCCURRENCES if not one.type.startswith("refund.")])
    before = lines(database)
    with standing_in(OCCURRENCES) as dodo:
        checked = reconciled(database, dodo, records=False)
        assert lines(database) == before
        with connected(database) as conn:
            kept = conn.execute("SELECT count(*) FROM raphus.reconciliations").fetchone()
        assert kept == (0,)
        done = reconciled(database, dodo)
    assert checked.differs
    assert {one.id for one in checked.findings} == {one.id for one in done.findings}
    assert checked.outcomes == done.outcomes


def test_what_was_found_is_kept_and_listed(database: str) -> None:
    lost = newest("refund.succeeded")
    delivered(database, [one for one in OCCURRENCES if one is not lost])
    with standing_in(OCCURRENCES) as dodo:
        done = reconciled(database, dodo)
    with served(database) as server:
        (run,) = server.get("/v1/reconciliations")["items"]
        assert run["id"] == str(done.id)
        assert run["outcomes"] == dict(done.outcomes)
        assert run["problem"] is None
        assert datetime.fromisoformat(run["ended_at"]) > datetime.fromisoformat(run["began_at"])
        (found,) = server.get("/v1/findings", object_id=object_id(lost))["items"]
        assert found["types"] == ["refund.succeeded"]
        assert found["reconciliation_id"] == run["id"]
        assert server.get("/v1/findings", outcome="missing")["items"] == []
        metrics = server.client.get("/metrics").text
        assert (
            f'raphus_reconciled_objects{{outcome="agreed"}} {float(done.outcomes["agreed"])}'
            in metrics
        )
        assert "raphus_reconciled_timestamp_seconds 1" in metrics


def test_one_that_cannot_go_on_says_why(followed: str) -> None:
    with standing_in(OCCURRENCES) as dodo:
        dodo.broken["/refunds"] = saying(503)
        with pytest.raises(DodoAwayError):
            reconciled(followed, dodo)
    with connected(followed) as conn:
        ((problem, ended_at),) = conn.execute(
            "SELECT problem, ended_at FROM raphus.reconciliations"
        ).fetchall()
    assert "GET /refunds" in problem
    assert ended_at is not None


def test_what_is_wrong_with_the_endpoint_at_dodo_is_told(followed: str) -> None:
    with standing_in(OCCURRENCES) as dodo:
        dodo._webhooks[0] |= {"disabled": True, "filter_types": ["payment.succeeded"]}
        disabled, filtered = reconciled(followed, dodo).advice
        dodo.forbidden.add("/webhooks")
        (unknown,) = reconciled(followed, dodo).advice
    assert disabled.startswith("the webhook endpoint at raphus.example.com is disabled")
    assert filtered.startswith("the webhook endpoint at raphus.example.com is sent some types only")
    assert unknown.startswith("whether Dodo sends webhooks here cannot be told")


def reconciler(database: str, dodo: DodoStandIn, *, every_s: float = 3_600) -> Reconciler:
    """The thread of a server, which does not wait."""

    def at_pace(pace: Pace) -> Source:
        return source(dodo)._replace(pace=pace)

    return Reconciler(
        database, at_pace, every_s=every_s, per_minute=120_000, look_every_s=0.05, first_after_s=0
    )


def runs(database: str) -> list[tuple[str | None, bool]]:
    """The problem of each reconciliation, and whether it has ended."""
    with connected(database) as conn:
        return conn.execute(
            "SELECT problem, ended_at IS NOT NULL FROM raphus.reconciliations ORDER BY id"
        ).fetchall()


def is_free(database: str, dodo: DodoStandIn) -> bool:
    try:
        with opened(database, source(dodo)):
            return True
    except BusyError:
        return False


def test_one_of_several_servers_reconciles_and_not_again_before_it_is_due(followed: str) -> None:
    with standing_in(OCCURRENCES) as dodo, ExitStack() as stack:
        servers = [reconciler(followed, dodo) for _ in range(3)]
        stack.enter_context(running(followed))
        for server in servers:
            server.start()
        try:
            until(lambda: (None, True) in runs(followed))
            asked = len(dodo.asked)
            until(lambda: all(server._thread.is_alive() for server in servers))
            # It has ended in the table a moment before it lets others.
            until(lambda: is_free(followed, dodo))
            late = reconciler(followed, dodo)
            late.start()
            late.stop()
        finally:
            for server in servers:
                server.stop()
        assert runs(followed) == [(None, True)]
        assert asked > 0
        assert all(server.problem is None for server in servers)


def test_its_failures_are_told_once_and_end_nothing(
    followed: str, caplog: pytest.LogCaptureFixture
) -> None:
    with standing_in(OCCURRENCES) as dodo, running(followed), caplog.at_level(logging.INFO):
        dodo.broken["/brands"] = saying(401)
        server = reconciler(followed, dodo, every_s=0.1)
        server.start()
        try:
            until(lambda: dodo.paths.count("/brands") > 2)
            assert server.problem is not None
            assert "Dodo refuses DODO_PAYMENTS_API_KEY" in server.problem
            del dodo.broken["/brands"]
            until(lambda: server.problem is None and (None, True) in runs(followed))
        finally:
            server.stop()
    told = [one.message for one in caplog.records if one.name == "reconciliation.reconciler"]
    assert sum("Dodo refuses" in one for one in told) == 1
    assert any("that is over" in one for one in told)
    assert KEY not in caplog.text
    assert "@" not in caplog.text


def test_it_ends_at_once_in_the_middle_of_a_reconciliation(database: str) -> None:
    with standing_in(OCCURRENCES) as dodo, running(database):
        dodo.broken["/payments"] = saying(429, retry_after="600")
        server = reconciler(database, dodo)
        server.start()
        until(lambda: "/payments" in dodo.paths)
        server.stop()
        server._thread.join(10)
        assert not server._thread.is_alive()
    with connected(database) as conn:
        begun = conn.execute("SELECT ended_at IS NOT NULL FROM raphus.reconciliations").fetchall()
    assert begun == [(True,)]


def test_what_is_in_doubt_is_asked_first_and_not_twice(database: str) -> None:
    delivered(database, OCCURRENCES[::3])
    with standing_in(OCCURRENCES) as dodo:
        reconciled(database, dodo)
        lists = dodo.paths.index("/products")
    asked_by_id = [path for path in dodo.paths[:lists] if path.count("/") == 2]
    assert asked_by_id
    assert set(dodo.paths[lists:]).isdisjoint(asked_by_id)


def test_a_key_of_one_business_sees_what_was_found_of_it_alone(database: str) -> None:
    delivered(database, OCCURRENCES[::2])
    with standing_in(OCCURRENCES) as dodo:
        reconciled(database, dodo)
    with served(database, api_key="a-key-of-thirty-two-characters-0") as server:
        for business, sees in (("bus_demo", True), ("bus_other", False)):
            key = made(database, business, "read", business_id=business)
            with client_with(key, server.url) as client:
                for path in ("/v1/reconciliations", "/v1/findings"):
                    assert bool(client.get(path).json()["items"]) is sees


def test_a_ledger_is_read_from_where_its_entries_led_to_the_balance(database: str) -> None:
    credits_ = [one for one in OCCURRENCES if one.type.startswith("credit.")]
    entries = [one for one in credits_ if one.type != "credit.balance_low"]
    come = [one for one in OCCURRENCES if one not in entries[-1:]]
    delivered(database, come)
    with standing_in(OCCURRENCES) as dodo:
        checked = about_kind("credit", reconciled(database, dodo, records=False).findings)
        assert not [one for one in dodo.asked if one.path.endswith("/ledger")]
        found = about_kind("credit", reconciled(database, dodo).findings)
        (asked,) = [one for one in dodo.asked if one.path.endswith("/ledger") and first(one)]
        again = reconciled(database, dodo)
        assert len([one for one in dodo.asked if one.path.endswith("/ledger")]) <= 2
    assert checked.outcome is found.outcome is Outcome.LOST
    assert datetime.fromisoformat(asked.query["start_date"]) < entries[-1].occurred_at
    assert again.outcomes["lost"] == 0
    (account,) = [one for named, one in entities(database).items() if named[0] == "credit"]
    assert (account.entries, account.unexplained) == (len(entries), 0)  # type: ignore[attr-defined]


def test_the_name_of_a_sort_of_credits_is_read_and_no_loss(database: str) -> None:
    delivered(database, [one for one in OCCURRENCES if one.type != "credit.balance_low"])
    with standing_in(OCCURRENCES) as dodo:
        done = reconciled(database, dodo)
        again = reconciled(database, dodo)
    assert (done.differs, done.findings) == (False, [])
    assert again.outcomes["refreshed"] == 0
    accounts = [one for named, one in entities(database).items() if named[0] == "credit"]
    names = {one.credit_entitlement_name for one in accounts}  # type: ignore[attr-defined]
    assert names == {"API calls"}


def about_kind(kind: str, among: list[Finding]) -> Finding:
    """What was found of the one thing of a kind."""
    (found,) = [one for one in among if one.kind == kind]
    return found


def first(asked: Asked) -> bool:
    """Whether the first page was asked for."""
    return asked.query["page_number"] == "0"
