"""Read models: rows that follow from one aggregate alone, whatever order its events came in."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, cast

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from domain.aggregates import dispute
from domain.aggregates.catalogue import KINDS
from domain.aggregates.factory import AGGREGATES, aggregate
from domain.entity import Drift
from projections.read_model import Column, columns_of
from projections.read_models import timeline
from projections.read_models.catalogue import LISTINGS, READ_MODELS
from projections.read_models.timeline import TIMELINE, entries_after
from simulator.merchant import merchant
from tests.support.histories import aggregates, delivery, said, seen
from tests.support.samples import rehearsals, samples

if TYPE_CHECKING:
    from random import Random

    from domain.aggregate import Aggregate
    from domain.delivery import Delivery
    from projections.read_model import ReadModel, Row

WITHOUT_HASTE = settings(
    deadline=None,
    max_examples=15,
    # A seed of random numbers does not shrink to anything simpler.
    phases=[Phase.reuse, Phase.generate],
)
BY_ARRIVAL = {"first_position", "position"}
"""The columns that tell the order of arrival, and so may differ from order to order."""
WEBHOOK_ID = [column.name for column in TIMELINE.columns].index("webhook_id")
MODELS = {model.table: model for model in READ_MODELS}


def deliveries() -> list[Delivery]:
    """One delivery of each sample body, and two customers with longer stories."""
    bodies = sorted((samples() | rehearsals()).items())
    stories = merchant(3, customers=2, until=datetime(2026, 11, 1, tzinfo=UTC))
    of_stories = [delivery(told.body, told.webhook_id) for told in stories]
    return [delivery(body, f"msg_{name}") for name, body in bodies] + of_stories


def written(built: dict[str, Aggregate]) -> dict[str, list[bytes]]:
    """The rows of all aggregates as bytes, by table, but for the columns of arrival."""
    return {
        model.table: sorted(
            msgspec.json.encode(without_arrival(model, row))
            for stream in built.values()
            for row in rows_of(model, stream)
        )
        for model in READ_MODELS
    }


def rows_of(model: ReadModel, stream: Aggregate) -> list[Row]:
    return model.rows(stream) if stream.id.partition("/")[0] in model.streams else []


def named(model: ReadModel, row: Row) -> dict[str, object]:
    names = [column.name for column in model.columns]
    return dict(zip(names, row, strict=True))


def without_arrival(model: ReadModel, row: Row) -> dict[str, object]:
    return {name: value for name, value in named(model, row).items() if name not in BY_ARRIVAL}


def key_of(model: ReadModel, row: Row) -> tuple[object, ...]:
    return tuple(named(model, row)[name] for name in model.key)


@WITHOUT_HASTE
@given(st.randoms(use_true_random=False))
def test_every_order_and_any_repeats_give_the_same_rows(random: Random) -> None:
    ours = deliveries()
    shuffled = random.sample(ours, len(ours)) + random.choices(ours, k=20)
    assert written(aggregates(shuffled)) == written(aggregates(ours))


@WITHOUT_HASTE
@given(st.randoms(use_true_random=False))
def test_no_event_takes_a_row_away_and_rows_left_out_have_not_changed(random: Random) -> None:
    ours = random.sample(deliveries(), 150)
    further = [delivery(one.body, random.choice(ours).webhook_id) for one in ours]
    several = aggregates(random.sample(ours + further, len(ours) * 2))
    for stream in several.values():
        earlier = random.randrange(len(stream.events))
        for model in READ_MODELS:
            if stream.id.partition("/")[0] in model.streams:
                assert_only_touched_rows_differ(model, stream, earlier)


def assert_only_touched_rows_differ(model: ReadModel, stream: Aggregate, earlier: int) -> None:
    old, new = stream.events[:earlier], stream.events[earlier:]
    before = model.rows(aggregate(stream.id, old)) if old else []
    after = model.rows(stream)
    new_ids = {event.delivery.webhook_id for event in new}
    touched = model.touched(stream, new_ids)
    keys = {key_of(model, row) for row in after}
    assert len(keys) == len(after)
    assert model.loses(stream, new_ids) or {key_of(model, row) for row in before} <= keys
    assert [row for row in after if row not in touched and row not in before] == []


def test_no_two_aggregates_share_a_key() -> None:
    looks = [
        seen(kind, 0, f"raphus_look_{kind}_{number}", **{f"{kind}_id": f"{kind}_{number}"})
        for kind in ("customer", "product")
        for number in range(3)
    ]
    built = aggregates([*deliveries(), *looks])
    for model in READ_MODELS:
        keys = [key_of(model, row) for one in built.values() for row in rows_of(model, one)]
        assert len(keys) == len(set(keys))
        assert bool(keys) is not bool(model.follows)


def test_every_kind_of_entity_has_one_read_model_and_one_list() -> None:
    # Who a customer is follows from all that names him, so customers are listed otherwise.
    listed = {name: kind for name, kind in KINDS.items() if name != "customer"}
    entities = {kind.entity for kind in listed.values()}
    assert {listing.entity for listing in LISTINGS.values()} == entities
    others = {
        *("timeline", "periods", "identities", "holdings", "credit_entries", "customer_records"),
        *("anomaly_spans", "joint_anomalies", "unfit_payments", "recurring", "takings"),
    }
    assert {f"{kind}s" for kind in listed} == set(LISTINGS) == set(MODELS) - others
    assert {listing.kind for listing in LISTINGS.values()} == set(listed)


def test_every_entitys_key_is_its_id_and_its_tenant() -> None:
    for listing in LISTINGS.values():
        assert MODELS[listing.resource].key[:2] == (listing.id_field, "business_id")


def test_a_row_holds_the_fields_of_its_entity() -> None:
    (stream,) = aggregates([said("subscription.active", 3, subscription_id="sub_1")]).values()
    (known,) = stream.entities()
    (row,) = MODELS["subscriptions"].rows(stream)
    fields = msgspec.structs.asdict(known.entity)
    assert named(MODELS["subscriptions"], row) == {
        "stream_id": "subscription/bus_1/sub_1",
        "first_position": 1,
        **fields,
    }


def test_refunds_have_rows_of_their_own_beside_their_payment() -> None:
    about = {"payment_id": "pay_1"}
    first = said("refund.succeeded", 1, refund_id="ref_1", **about)
    second = said("refund.failed", 2, refund_id="ref_2", **about)
    (stream,) = aggregates([said("payment.succeeded", 0, **about), first, second]).values()
    refunds = [named(MODELS["refunds"], row) for row in MODELS["refunds"].rows(stream)]
    assert [(one["refund_id"], one["status"]) for one in refunds] == [
        ("ref_1", "succeeded"),
        ("ref_2", "failed"),
    ]
    (payment,) = MODELS["payments"].rows(stream)
    assert named(MODELS["payments"], payment)["payment_id"] == "pay_1"


def test_a_notice_has_a_line_in_the_timeline_and_no_other_row() -> None:
    (stream,) = aggregates([said("payout.reversed", 0, "msg_1", payout_id="pyt_1")]).values()
    (row,) = TIMELINE.rows(stream)
    line = named(TIMELINE, row)
    assert (line["kind"], line["id"], line["type"]) == ("notice", "msg_1", "payout.reversed")
    assert (line["verdict"], line["business_id"]) == (None, "bus_1")
    assert [model.table for model in READ_MODELS if rows_of(model, stream)] == ["timeline"]


def test_the_ranks_of_lines_keep_them_in_the_order_of_the_facts() -> None:
    built = aggregates(deliveries())
    for stream in built.values():
        lines = [named(TIMELINE, row) for row in TIMELINE.rows(stream)]
        by_rank = sorted(
            lines, key=lambda line: (line["occurred_at"], line["rank"], line["webhook_id"])
        )
        assert [line["webhook_id"] for line in by_rank] == [line["webhook_id"] for line in lines]


def test_lines_of_an_earlier_build_whose_ranks_were_lower_keep_their_order_beside_new_ones() -> (
    None
):
    """So ranks may grow, and need no rebuild for the order of one stream's lines."""
    mixed = 0
    for stream in aggregates(deliveries()).values():
        rows = TIMELINE.rows(stream)
        for known in range(1, len(stream.events)):
            before = TIMELINE.rows(type(stream)(stream.id, stream.events[:known]))
            stored = {row[WEBHOOK_ID]: _place(row, shrunk_by=10) for row in before}
            new = {event.delivery.webhook_id for event in stream.events[known:]}
            written = {row[WEBHOOK_ID]: _place(row) for row in TIMELINE.touched(stream, new)}
            stored |= written
            assert sorted(stored, key=stored.__getitem__) == [row[WEBHOOK_ID] for row in rows]
            mixed += len(written) < len(stored)
    assert mixed


def _place(row: Row, shrunk_by: int = 1) -> tuple[object, ...]:
    line = named(TIMELINE, row)
    return line["occurred_at"], cast("int", line["rank"]) // shrunk_by, line["webhook_id"]


def test_the_facts_after_a_position_come_back_as_they_were() -> None:
    built = aggregates(deliveries())
    for stream in built.values():
        entries = stream.lines()
        assert entries_after(TIMELINE.rows(stream), 0) == entries
        later = [entry for entry in entries if int(entry.position) > 30]
        assert entries_after(TIMELINE.rows(stream), 30) == later


def test_every_aggregate_has_its_timeline() -> None:
    assert TIMELINE.streams == set(AGGREGATES)


class Example(msgspec.Struct):
    text: str
    maybe: int | None
    flag: bool
    at: datetime
    words: tuple[str, ...]
    drift: Drift | None
    chosen: Literal["a", "b"]


class Unknown(msgspec.Struct):
    number: float


def test_a_structs_fields_tell_the_columns() -> None:
    assert columns_of(Example) == (
        Column("text", "text"),
        Column("maybe", "bigint", nullable=True),
        Column("flag", "boolean"),
        Column("at", "timestamptz"),
        Column("words", "text[]"),
        Column("drift", "jsonb", nullable=True),
        Column("chosen", "text"),
    )
    with pytest.raises(KeyError):
        columns_of(Unknown)


def test_a_filter_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError):
        LISTINGS["payments"].page({"colour": "red"}, before=None, limit=5)
    with pytest.raises(KeyError):
        timeline.of_entity("coupon", "cpn_1", after=None, limit=5)


def test_only_parameters_stand_for_what_is_asked_for() -> None:
    for listing in LISTINGS.values():
        asked = {filter_.name: "'; DROP TABLE payments; --" for filter_ in listing.filters}
        statement = listing.page(asked, before=7, limit=5, business_id="'; DROP TABLE refunds")
        assert "DROP" not in statement.sql
        # The instant that is asked about is known to every list, and used by those with a grace.
        named = set(re.findall(r"%\((\w+)\)s", statement.sql))
        assert named | {"as_of"} == set(statement.params)


def test_an_open_dispute_is_the_same_in_sql_and_in_the_state_machine() -> None:
    (asked,) = LISTINGS["disputes"].filters_of({"open": True})
    words = re.findall(r"'(\w+)'", asked.now)
    assert tuple(words) == dispute.OPEN
