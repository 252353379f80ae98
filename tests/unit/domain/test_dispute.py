"""A dispute's life: its words within a stage, and how it moves from stage to stage."""

from __future__ import annotations

from itertools import permutations

import pytest

from domain.aggregates.dispute import DisputeEntity
from domain.delivery import Delivery
from tests.support.histories import aggregates, of_one, rendered, said, seen
from tests.support.samples import Json

STAGES = ["pre_dispute", "dispute", "pre_arbitration"]
OUTCOMES = ["won", "lost", "accepted", "expired", "cancelled"]
WORDS = ["opened", "challenged", *OUTCOMES]
UNKNOWN: list[Json] = ["arbitration_on_the_moon", "Dispute", "", None, 7, ["dispute"], {}]


def _said(
    word: str, stage: Json = "dispute", minute: int = 0, status: str | None = None, **data: object
) -> Delivery:
    known: dict[str, object] = {"dispute_id": "dp_1", "dispute_stage": stage}
    stated = {"dispute_status": status} if status else {}
    return said(f"dispute.{word}", minute, None, **known | stated | data)


def _known(*deliveries: Delivery) -> DisputeEntity:
    (known,) = of_one(*deliveries).entities()
    assert isinstance(known.entity, DisputeEntity)
    return known.entity


def _verdicts(*deliveries: Delivery) -> list[str | None]:
    return [entry.verdict for entry in of_one(*deliveries).timeline()]


@pytest.mark.parametrize(
    ("words", "verdicts", "status"),
    [
        ("opened challenged won", "applied applied applied", "won"),
        ("opened challenged lost", "applied applied applied", "lost"),
        ("opened expired", "applied applied", "expired"),
        ("opened accepted", "applied applied", "accepted"),
        ("opened opened cancelled", "applied unchanged applied", "cancelled"),
        ("opened challenged accepted", "applied applied refused", "challenged"),
        ("opened won lost opened", "applied applied refused refused", "won"),
        ("opened lost lost challenged", "applied applied unchanged refused", "lost"),
    ],
)
def test_within_a_stage_a_dispute_is_judged_fact_by_fact_in_every_order(
    words: str, verdicts: str, status: str
) -> None:
    life = [_said(word, "dispute", minute) for minute, word in enumerate(words.split())]
    for order in permutations(life):
        assert _verdicts(*order) == verdicts.split()
        entity = _known(*order)
        assert (entity.status, entity.stage, entity.history) == (status, "dispute", "complete")


def test_a_dispute_that_rapid_resolution_settles_begins_with_its_loss() -> None:
    entity = _known(_said("lost", "pre_dispute", is_resolved_by_rdr=True))
    assert (entity.status, entity.history) == ("lost", "complete")
    assert entity.is_resolved_by_rdr is True


@pytest.mark.parametrize(
    ("word", "said_of_rdr"),
    [("lost", False), ("lost", None), ("lost", "true"), ("lost", 1), ("won", True)],
)
def test_only_a_loss_whose_data_says_rapid_resolution_needs_no_predecessor(
    word: str, said_of_rdr: object
) -> None:
    assert _known(_said(word, is_resolved_by_rdr=said_of_rdr)).history == "partial"


def test_one_body_of_several_that_says_rapid_resolution_is_enough() -> None:
    bodies = [
        said("dispute.lost", 0, "msg_1", dispute_id="dp_1", is_resolved_by_rdr=one)
        for one in (True, None)
    ]
    assert {_known(*order).history for order in permutations(bodies)} == {"complete"}


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_later_stage_opens_a_decided_dispute_anew_with_any_word(outcome: str, word: str) -> None:
    decided, later = _said(outcome, "dispute", 0), _said(word, "pre_arbitration", 9)
    for order in permutations([_said("opened", "dispute"), decided, later]):
        entity = _known(*order)
        assert (entity.status, entity.stage, entity.refused) == (word, "pre_arbitration", 0)
        assert of_one(*order).timeline()[-1].verdict == "applied"
        assert entity.history == "complete"


def test_a_later_stage_may_take_a_word_back_that_its_own_stage_refuses() -> None:
    challenged = [_said("opened"), _said("challenged", minute=1)]
    assert _known(*challenged, _said("opened", minute=2)).status == "challenged"
    assert _known(*challenged, _said("opened", "pre_arbitration", 2)).status == "opened"


@pytest.mark.parametrize("word", WORDS)
def test_the_same_status_at_a_later_stage_is_applied_since_the_stage_moved(word: str) -> None:
    first, second = _said(word, "pre_dispute", 0), _said(word, "dispute", 5)
    entry = of_one(first, second).timeline()[-1]
    assert (entry.verdict, entry.from_, entry.to, entry.gap) == ("applied", word, word, False)
    assert _known(first, second).stage == "dispute"


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    ("now", "earlier"),
    [
        ("dispute", "pre_dispute"),
        ("pre_arbitration", "dispute"),
        ("pre_arbitration", "pre_dispute"),
    ],
)
def test_a_fact_of_an_earlier_stage_is_stale_and_refused(now: str, earlier: str, word: str) -> None:
    current, stale = _said("opened", now, 0), _said(word, earlier, 5)
    entry = of_one(current, stale).timeline()[-1]
    assert (entry.verdict, entry.to, entry.gap) == ("refused", "opened", False)
    assert entry.reason == f"stage {earlier} is earlier than {now}, where the dispute stands"
    entity = _known(current, stale)
    assert (entity.status, entity.stage, entity.refused) == ("opened", now, 1)
    assert entity.dispute_stage == earlier


def test_a_stage_may_be_leapt_over() -> None:
    entity = _known(_said("lost", "pre_dispute", 0), _said("opened", "pre_arbitration", 5))
    assert (entity.status, entity.stage) == ("opened", "pre_arbitration")


@pytest.mark.parametrize("stage", UNKNOWN)
def test_an_unknown_or_missing_stage_counts_as_the_current_one(stage: Json) -> None:
    opened = _said("opened", "dispute", 0)
    assert _known(opened, _said("won", stage, 5)).status == "won"
    entity = _known(opened, _said("won", "dispute", 4), _said("opened", stage, 5))
    assert (entity.status, entity.stage, entity.refused) == ("won", "dispute", 1)


def test_an_absent_stage_counts_as_the_current_one() -> None:
    absent = said("dispute.won", 5, None, dispute_id="dp_1")
    entity = _known(_said("opened", "pre_arbitration", 0), absent)
    assert (entity.status, entity.stage, entity.dispute_stage) == ("won", "pre_arbitration", None)


@pytest.mark.parametrize("stage", UNKNOWN)
def test_a_first_stage_that_is_unknown_is_settled_by_the_next_that_is_known(stage: Json) -> None:
    opened = _said("opened", stage, 0)
    assert (_known(opened).status, _known(opened).stage) == ("opened", None)
    entity = _known(opened, _said("challenged", "dispute", 5))
    assert (entity.status, entity.stage) == ("challenged", "dispute")
    assert _verdicts(opened, _said("won", "dispute", 1), _said("opened", "dispute", 5)) == [
        "applied",
        "applied",
        "refused",
    ]


def test_a_refused_fact_does_not_settle_the_stage() -> None:
    entity = _known(_said("won", None, 0), _said("opened", "dispute", 5))
    assert (entity.status, entity.stage, entity.refused) == ("won", None, 1)


@pytest.mark.parametrize("word", ["challenged", *OUTCOMES])
def test_only_an_opening_is_a_beginning(word: str) -> None:
    later = _said(word, "dispute", 5)
    (entry,) = of_one(later).timeline()
    assert (entry.verdict, entry.gap, _known(later).history) == ("applied", True, "partial")
    assert _known(later, _said("opened", "dispute", 0)).history == "complete"


def test_a_gap_of_an_earlier_stage_stands_after_the_dispute_was_reopened() -> None:
    assert _known(_said("lost", "dispute"), _said("opened", "pre_arbitration", 5)).history == (
        "partial"
    )


def test_a_refused_fact_is_judged_again_when_a_later_stage_before_it_arrives() -> None:
    known = [_said("opened"), _said("challenged", minute=1), _said("accepted", None, 9)]
    assert _known(*known).status == "challenged"
    late = _said("opened", "pre_arbitration", 5)
    assert _verdicts(*known, late) == ["applied"] * 4
    assert (_known(*known, late).status, _known(*known, late).refused) == ("accepted", 0)


def test_three_stages_are_the_same_in_every_order_of_arrival() -> None:
    history = [
        _said("opened", "pre_dispute", 0, "dispute_opened"),
        _said("opened", "dispute", 1, "dispute_opened"),
        _said("challenged", "dispute", 2, "dispute_won"),
        _said("won", "dispute", 3, "dispute_won"),
        _said("opened", "pre_arbitration", 4, "dispute_opened"),
    ]
    outcomes = {rendered(aggregates(order)) for order in permutations(history)}
    assert len(outcomes) == 1
    entity = _known(*history)
    assert (entity.status, entity.stage, entity.drift) == ("opened", "pre_arbitration", None)
    assert entity.history == "complete"


def test_the_words_of_the_types_stand_beside_dodos_own() -> None:
    entity = _known(_said("opened", "dispute", 0, "dispute_opened"))
    assert (entity.status, entity.folded_status, entity.observed_status) == ("opened",) * 3
    assert (entity.dispute_status, entity.dispute_stage) == ("dispute_opened", "dispute")
    assert entity.drift is None


@pytest.mark.parametrize(
    ("folded", "observed", "status"),
    [
        ("opened", "dispute_challenged", "challenged"),
        ("opened", "dispute_won", "won"),
        ("opened", "dispute_expired", "expired"),
        ("challenged", "dispute_lost", "lost"),
        ("challenged", "dispute_accepted", "challenged"),
        ("challenged", "dispute_opened", "challenged"),
        ("won", "dispute_lost", "won"),
        ("won", "dispute_opened", "won"),
        ("accepted", "dispute_won", "accepted"),
    ],
)
def test_the_status_follows_an_observation_ahead_but_never_out_of_an_outcome(
    folded: str, observed: str, status: str
) -> None:
    entity = _known(_said(folded, "dispute", 0, observed))
    assert (entity.status, entity.folded_status) == (status, folded)
    assert entity.observed_status == observed.removeprefix("dispute_")
    assert entity.drift is not None
    assert (entity.drift.folded_stage, entity.drift.observed_stage) == ("dispute", "dispute")


def test_a_stale_facts_observation_is_drift_and_does_not_take_the_dispute_back() -> None:
    current = _said("opened", "pre_arbitration", 0, "dispute_opened")
    entity = _known(current, _said("won", "dispute", 5, "dispute_won"))
    assert (entity.status, entity.stage, entity.refused) == ("opened", "pre_arbitration", 1)
    assert (entity.observed_status, entity.dispute_stage) == ("won", "dispute")
    assert entity.drift is not None
    assert entity.drift.folded_stage == "pre_arbitration"
    assert entity.drift.observed_stage == "dispute"


def test_the_same_status_observed_at_an_earlier_stage_is_drift_too() -> None:
    current = _said("opened", "dispute", 0, "dispute_opened")
    entity = _known(current, _said("opened", "pre_dispute", 5, "dispute_opened"))
    assert (entity.status, entity.stage, entity.refused) == ("opened", "dispute", 1)
    assert entity.drift is not None


@pytest.mark.parametrize(
    ("folded", "observed", "status", "stage"),
    [
        ("opened", "challenged", "challenged", "pre_arbitration"),
        ("challenged", "cancelled", "cancelled", "pre_arbitration"),
        ("won", "lost", "won", "dispute"),
        *((outcome, outcome, outcome, "dispute") for outcome in OUTCOMES),
    ],
)
def test_only_a_fact_reopens_an_outcome_though_a_retry_shows_a_later_stage(
    folded: str, observed: str, status: str, stage: str
) -> None:
    first = _said(folded, "dispute", 0, f"dispute_{folded}")
    retried = _said(folded, "pre_arbitration", 0, f"dispute_{observed}")
    for order in ((first, retried), (retried, first)):
        entity = _known(*order)
        assert (entity.status, entity.stage) == (status, stage)
        assert (entity.folded_status, entity.observed_status) == (folded, observed)
        assert entity.drift is not None
        assert entity.drift.observed_stage == "pre_arbitration"


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("status", WORDS)
def test_a_look_finds_a_later_stage_whatever_the_outcome_of_an_earlier_one(
    outcome: str, status: str
) -> None:
    later = {"dispute_stage": "pre_arbitration", "dispute_status": f"dispute_{status}"}
    ended, look = _said(outcome, "dispute", 0), seen("dispute", 5, dispute_id="dp_1", **later)
    entity = _known(_said("opened", "dispute", -5), ended, look)
    assert (entity.status, entity.stage) == (status, "pre_arbitration")
    assert (entity.folded_status, entity.drift) == (status, None)
    # That the bank asked again was not told.
    assert of_one(ended, look).timeline()[-1].gap


def test_a_status_that_no_schema_lists_is_drift_and_stays_as_it_came() -> None:
    entity = _known(_said("challenged", "dispute", 5, "dispute_mediated"))
    assert (entity.status, entity.dispute_status) == ("challenged", "dispute_mediated")
    assert entity.drift is not None
    assert entity.observed_status == "dispute_mediated"


@pytest.mark.parametrize(
    ("amount", "read"),
    [("6100", 6100), (6100, 6100), ("0", 0), ("61.00", None), (None, None), (61.5, None)],
    ids=repr,
)
def test_an_amount_is_read_as_text_or_as_an_integer(amount: Json, read: int | None) -> None:
    assert _known(_said("opened", amount=amount)).amount == read


def test_customer_and_reason_may_be_missing() -> None:
    entity = _known(_said("opened", payment_id="pay_1"))
    assert (entity.customer_id, entity.reason, entity.payment_id) == (None, None, "pay_1")
