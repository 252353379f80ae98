"""How a state is to be taken: each has one colour, wherever it is shown."""

from __future__ import annotations

from typing import get_args

import pytest

from api.answers.named import named
from console.drawing.machine import machine_picture
from console.rendering.cells import cell_of
from console.rendering.environment import environment
from console.tones import MEANINGS, PLAIN, tone_of
from domain.aggregates.catalogue import KINDS
from tests.support.histories import of_one, said
from workflows.outbox.queries import State

STATES = [
    (kind.name, status)
    for kind in KINDS.values()
    for status in sorted({*kind.machine.states, *kind.machine.observed_first})
]


@pytest.mark.parametrize(("kind", "status"), STATES)
def test_every_state_of_every_machine_has_a_tone_of_its_own(kind: str, status: str) -> None:
    assert tone_of(kind, status) != PLAIN


def test_what_no_machine_knows_is_plain() -> None:
    assert tone_of("payment", "no_such") == tone_of("payment", None) == PLAIN


def test_every_state_of_a_job_has_a_tone() -> None:
    assert PLAIN not in {tone_of("job", status) for status in get_args(State)}


def test_a_state_as_dodo_names_it_has_the_tone_of_ours() -> None:
    assert tone_of("dispute", "dispute_lost") == tone_of("dispute", "lost") == "bad"
    assert tone_of("dispute", "dispute_cancelled") == "good"


def test_a_chip_has_the_tone_in_which_the_state_is_drawn() -> None:
    (known,) = of_one(
        said("subscription.active", subscription_id="sub_1", status="active"),
        said("subscription.on_hold", 1, subscription_id="sub_1", status="on_hold"),
    ).entities()
    picture = machine_picture("subscription", known.entity, ())
    (drawn,) = {one.tone for one in picture.states if one.is_current}
    chip = environment().get_template("macros/cells.html").module
    written = chip.cell(cell_of(known.entity, "status"))  # type: ignore[attr-defined]  # a macro
    assert f'<span class="chip {drawn}">on hold</span>' in written
    assert drawn in MEANINGS


def test_a_thing_with_names_beside_its_ids_is_of_its_kind() -> None:
    paid_for = said("subscription.active", subscription_id="sub_1", status="active")
    (known,) = of_one(paid_for).entities()
    assert cell_of(named(known.entity, {}), "status").kind == "subscription"
