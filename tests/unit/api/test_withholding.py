"""What a caller may not see becomes null, and nothing else changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from api.answers.events import AnotherBody, Chained, Signature, WholeEvent
from api.http.pagination import Page
from api.http.scopes import EVERYBODY, OWNER, Caller
from api.resources.health import Ready
from api.routes import OPERATIONS
from api.withholding import (
    ALSO,
    INSTANCE,
    OF_INSTANCE,
    OTHER_NAMES,
    PERSONAL,
    shown_to,
    structs_of,
)
from domain.explanation.evidence import Source
from domain.explanation.explain import Explanation, explain
from tests.support.histories import of_one, said
from workflows.outbox.queries import RecordedAttempt

AT = datetime(2026, 5, 1, tzinfo=UTC)
READER = Caller.with_scopes(["read"])
SIGNATURE = Signature("v1,x", verified=True, reason=None)
CHAINED = Chained(1, "c0", "00", "ff")
EVENT = WholeEvent(
    "1",
    "msg_1",
    "a.type",
    "notice/msg_1",
    AT,
    "1",
    "{}",
    None,
    [AnotherBody("2", AT, "2", "[]", None, SIGNATURE, CHAINED)],
    [],
    SIGNATURE,
    CHAINED,
)
READY = Ready("ready", "leading", 1, "7", "6", 0.5, {})


class Person(msgspec.Struct):
    """What an answer may say of a person."""

    customer_id: str
    email: str | None
    metadata: dict[str, str]


def test_the_owner_gets_the_answer_itself() -> None:
    assert shown_to(OWNER, EVENT) == (EVENT, [])
    assert shown_to(OWNER, EVENT).answer is EVENT


def test_bodies_are_withheld_wherever_they_stand_and_the_answer_stays_as_it_is() -> None:
    before = msgspec.json.encode(EVENT)
    shown = shown_to(READER, Page([EVENT], None))
    (event,) = _builtins(shown.answer)["items"]
    assert event == {
        **_builtins(EVENT),
        "body": None,
        "other_bodies": [{**_builtins(EVENT.other_bodies[0]), "body": None}],
    }
    assert shown.withheld == [PERSONAL]
    assert msgspec.json.encode(EVENT) == before


def test_names_are_withheld_of_structs_that_nobody_has_declared() -> None:
    shown = shown_to(READER, [Person("cus_1", "a@b.example", {"user": "7"})])
    assert _builtins(shown.answer) == [{"customer_id": "cus_1", "email": None, "metadata": None}]


def test_free_text_about_a_job_is_withheld() -> None:
    attempt = RecordedAttempt("1", "all", 1, AT, 7, 500, "no such person: a@b.example")
    assert b"a@b" not in msgspec.json.encode(shown_to(READER, Page([attempt], None)).answer)


@pytest.mark.parametrize(("field", "is_withheld"), [("reason", True), ("status", False)])
def test_an_explanation_quotes_a_field_to_whom_it_is_told(field: str, is_withheld: bool) -> None:
    source = Source(
        webhook_id="msg_1",
        type="refund.succeeded",
        occurred_at=AT,
        recorded_at=AT,
        position="1",
        role="observation",
        said="she asked",
        reason="it is the newest delivery",
    )
    explained = Explanation(
        kind="refund",
        id="ref_1",
        field=field,
        value="she asked",
        set_by=[source],
        set_by_count=1,
        since=source,
        passed_over=[],
        passed_over_count=0,
        note=None,
    )
    shown = shown_to(READER, explained)
    assert (b"she asked" in msgspec.json.encode(shown.answer)) is not is_withheld
    assert b"it is the newest delivery" in msgspec.json.encode(shown.answer)
    assert shown.withheld == ([PERSONAL] if is_withheld else [])


FIELD = "revocation_reason"


@pytest.mark.parametrize(
    ("value", "told"),
    [("subscription_on_hold", True), ("Subscription_on_hold", False), ("refund for Jane", False)],
)
def test_of_a_reason_what_dodo_lists_is_told_and_anything_else_withheld(
    value: str, *, told: bool
) -> None:
    stream = of_one(
        said("entitlement_grant.created", 0, None, id="grant_1", revocation_reason="manual"),
        said("entitlement_grant.revoked", 1, None, id="grant_1", revocation_reason=value),
    )
    (known,) = stream.entities()
    explained = explain(stream, "entitlement_grant", "grant_1", FIELD)
    grant, explanation = (
        _builtins(shown_to(READER, one).answer) for one in (known.entity, explained)
    )
    assert grant[FIELD] == (value if told else None)
    assert explanation["value"] == (value if told else None)
    assert (value in str(explanation)) is told
    assert _builtins(shown_to(OWNER, known.entity).answer)[FIELD] == value


@pytest.mark.parametrize(
    "caller", [EVERYBODY, Caller.with_scopes(["personal"], "bus_1"), Caller.with_scopes(["admin"])]
)
def test_what_is_about_all_businesses_is_told_to_who_reads_and_is_bound_to_none(
    caller: Caller,
) -> None:
    shown = shown_to(caller, READY)
    told = _builtins(shown.answer)
    assert told == {**dict.fromkeys(Ready.__struct_fields__), "status": "ready"}
    assert INSTANCE in shown.withheld
    assert shown_to(READER, READY) == (READY, [])


def test_what_is_declared_is_there() -> None:
    answered = set(structs_of(operation.answers for operation in OPERATIONS))
    for declared in (ALSO, OF_INSTANCE, OTHER_NAMES):
        for struct, fields in declared.items():
            assert struct in answered
            assert fields <= set(struct.__struct_fields__)


def _builtins(value: object) -> Any:  # noqa: ANN401 -- JSON
    return msgspec.json.decode(msgspec.json.encode(value))
