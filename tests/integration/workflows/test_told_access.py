"""What is sent with the state tells the access of the thing's customer, as it is then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from tests.support.connected import connected
from tests.support.histories import said
from tests.support.projected import project, record, running
from tests.support.rebuilds import after_folding, rebuilt
from tests.support.replays import replayed
from tests.support.waiting import GUARD_S, until
from tests.support.windmill import HOOK, QUICK, all_in, attempts, outbox, sending, task, write_hook
from tests.support.windmill_stand_in import SECRET, EndpointStandIn
from workflows.outbox.follower import begin

if TYPE_CHECKING:
    from pathlib import Path

    from domain.delivery import Delivery
    from tests.support.windmill_stand_in.model import Request

OWN: Final = 'transformation = "python:own.py:own"\n'
SENT: Final = ("bare", "succeeded")
PATIENT: Final = QUICK._replace(shown_within_s=GUARD_S)
"""For what is to be told, however busy the machine is."""


def event(type_: str, number: int, who: int = 1) -> Delivery:
    """Make an event of a customer's subscription."""
    data: dict[str, Any] = {
        "subscription_id": f"sub_{who}",
        "product_id": "pdt_1",
        "customer": {"customer_id": f"cus_{who}", "email": "jo@shop.example"},
    }
    return said(f"subscription.{type_}", number, f"msg_{number}", **data)


def said_in(request: Request) -> dict[str, Any]:
    """Return the body of a request, decoded."""
    body: dict[str, Any] = msgspec.json.decode(request.body)
    return body


def told(endpoint: EndpointStandIn) -> list[tuple[Any, ...]]:
    """Return of each that tells a state its webhook-id, the status, and what access is told."""
    found = []
    for request in endpoint.requests():
        if "access" in (body := said_in(request)):
            access = body["access"]
            code = access and access["reason"]["code"]
            found.append((request.headers["webhook-id"], body["state"]["status"], code))
    return found


def test_each_is_told_the_access_that_it_leads_to_though_the_read_models_follow_behind(
    database: str, tmp_path: Path
) -> None:
    events = [event("active", number, number) for number in range(1, 31)]
    with EndpointStandIn() as endpoint, running(database):
        routes = write_hook(tmp_path, endpoint.url)
        with sending(task(database, routes, endpoint), PATIENT):
            record(database, events)
            until(lambda: all_in(database, "succeeded", count=30))
        bodies = [said_in(one) for one in endpoint.requests()]
    assert {body["access"]["customer_id"] for body in bodies} == {
        f"cus_{number}" for number in range(1, 31)
    }
    access = bodies[0]["access"]
    why = {"code": "active", "text": f"Subscription {bodies[0]['id']} is active."}
    answer = {"access": True, "until": None, "reason": why}
    assert access.pop("at") >= bodies[0]["event"]["recorded_at"]
    assert access == {
        "customer_id": bodies[0]["state"]["customer_id"],
        **answer,
        "products": [{"product_id": "pdt_1", **answer}],
    }


def test_it_waits_for_the_read_models_alone_and_is_told_while_they_are_rebuilt(
    database: str, tmp_path: Path
) -> None:
    with EndpointStandIn() as endpoint:
        bare = HOOK.format(name="bare", on="*", url=endpoint.url, secret=SECRET)
        routes = write_hook(tmp_path, endpoint.url, more=f'{bare}transformation = "envelope"\n')
        with sending(task(database, routes, endpoint), PATIENT):
            record(database, [event("active", 1)])
            until(lambda: sorted(outbox(database, "route, state")) == [("all", "waiting"), SENT])
            project(database)
            until(lambda: all_in(database, "succeeded"))
            with running(database):
                rebuilt(database, after_folding(lambda: told_meanwhile(database)))
        assert told(endpoint) == [("msg_1", "active", "active"), ("msg_2", "on_hold", "on_hold")]


def told_meanwhile(database: str) -> None:
    """Record an event, and wait until all of it is told."""
    record(database, [event("on_hold", 2)])
    until(lambda: all_in(database, "succeeded", count=4))


def test_read_models_that_nobody_fills_hold_up_no_job(database: str, tmp_path: Path) -> None:
    with EndpointStandIn() as endpoint:
        routes = write_hook(tmp_path, endpoint.url)
        with sending(task(database, routes, endpoint)):
            record(database, [event("active", number, number) for number in range(1, 31)])
            until(lambda: all_in(database, "succeeded", count=30))
        assert set(attempts(database, "number, status")) == {(1, 204)}
        project(database)
        replayed(database, routes, again=True)
        with sending(task(database, routes, endpoint), PATIENT):
            until(lambda: all_in(database, "succeeded", count=60))
        at_first, again = told(endpoint)[:30], told(endpoint)[30:]
    assert {code for *_, code in at_first} == {None}
    assert {code for *_, code in again} == {"active"}


def test_a_database_that_does_not_tell_it_holds_up_no_job(database: str, tmp_path: Path) -> None:
    routes, limits = tmp_path / "windmill.toml", QUICK._replace(shown_within_s=0.2)
    begin(database)
    record(database, [event("active", 1)])
    project(database)
    with EndpointStandIn() as endpoint, connected(database) as conn:
        write_hook(tmp_path, endpoint.url)
        conn.execute("LOCK TABLE raphus.holdings IN ACCESS EXCLUSIVE MODE")
        with sending(task(database, routes, endpoint), limits):
            until(lambda: all_in(database, "succeeded"))
            conn.rollback()
            conn.execute("ALTER TABLE raphus.holdings RENAME COLUMN holding TO held")
            conn.commit()
            record(database, [event("on_hold", 2)])
            until(lambda: all_in(database, "succeeded", count=2))
        assert told(endpoint) == [("msg_1", "active", None), ("msg_2", "on_hold", None)]


def test_the_policy_in_force_counts_and_without_one_that_was_ever_right_it_is_not_told(
    database: str, tmp_path: Path
) -> None:
    policy = tmp_path / "raphus.toml"
    policy.write_text('[access]\non_hold = "yes"\n', "utf-8")
    with EndpointStandIn() as endpoint, running(database):
        routes = write_hook(tmp_path, endpoint.url)
        what = msgspec.structs.replace(
            task(database, routes, endpoint), policy_path=str(policy), policy_required=True
        )
        with sending(what, PATIENT):
            record(database, [event("on_hold", 1)])
            until(lambda: all_in(database, "succeeded"))
        policy.write_text("[access]\non_hold = 3\n", "utf-8")
        with sending(what):
            record(database, [event("active", 2)])
            until(lambda: all_in(database, "succeeded", count=2))
        assert told(endpoint) == [("msg_1", "on_hold", "by_policy"), ("msg_2", "active", None)]


def test_what_names_no_customer_tells_none_and_of_one_who_has_nothing_it_says_so(
    database: str, tmp_path: Path
) -> None:
    nobody = said("subscription.active", 1, "msg_1", subscription_id="sub_9")
    cart = {"checkout_session_id": "cks_1", "customer": {"customer_id": "cus_9"}}
    left = said("abandoned_checkout.detected", 2, "msg_2", payment_id="pay_9", **cart)
    with EndpointStandIn() as endpoint, running(database):
        routes = write_hook(tmp_path, endpoint.url)
        with sending(task(database, routes, endpoint), PATIENT):
            record(database, [nobody, left])
            until(lambda: all_in(database, "succeeded", count=2))
        codes = {webhook_id: code for webhook_id, _, code in told(endpoint)}
    assert codes == {"msg_1": None, "msg_2": "never_bought"}


def test_who_is_told_late_is_told_the_access_of_then_under_the_same_ids(
    database: str, tmp_path: Path
) -> None:
    with EndpointStandIn(failing={"msg_1": "unavailable"}) as endpoint, running(database):
        routes = write_hook(tmp_path, endpoint.url)
        with sending(task(database, routes, endpoint), PATIENT):
            record(database, [event("active", 1)])
            until(endpoint.requests)
            record(database, [event("on_hold", 2)])
            until(lambda: told(endpoint)[-1] == ("msg_1", "active", "on_hold"))
            endpoint.behave(failing={})
            until(lambda: all_in(database, "succeeded", count=2))
        assert told(endpoint)[0] == ("msg_1", "active", "active")
        assert told(endpoint)[-1] == ("msg_2", "on_hold", "on_hold")
        (_,) = {one.headers["raphus-job"] for one in endpoint.requests()[:-1]}


def test_a_transformation_in_python_is_given_the_access(database: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "def own(event):\n    return {'may': event['access']['access']}\n", "utf-8"
    )
    with EndpointStandIn() as endpoint, running(database):
        routes = write_hook(tmp_path, endpoint.url, more=OWN)
        with sending(task(database, routes, endpoint), PATIENT):
            record(database, [event("active", 1)])
            until(lambda: all_in(database, "succeeded"))
        (request,) = endpoint.requests()
    assert said_in(request) == {"may": True}
