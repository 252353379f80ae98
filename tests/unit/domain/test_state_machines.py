"""Every answer of every state machine, written out by hand.

The tables are a second reading of Dodo's pages, event by event; the code's are state by state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pytest

from domain.aggregates.catalogue import KINDS
from domain.state_machine import Judgement, Machine, Standing, Verdict


@dataclass(frozen=True)
class Expected:
    """What is expected of the machine of one kind.

    `judged` has a row an event and a column a state that the event meets. A cell is the state that
    it leads to, `=` where it is valid and changes nothing, `✗` where it is refused; with `?` behind
    it where an earlier event was never seen; or, with `!`, the state that an anomaly claims.
    `reached` has a row a state and a column an observed status: may the status follow it?
    `ranks` has the events that share an instant, those of one rank together.
    """

    judged: str
    reached: str
    no_statuses: tuple[str, ...]
    final: frozenset[str]
    ranks: tuple[frozenset[str], ...]


EXPECTED: Final = {
    "subscription": Expected(
        judged="""
event                  (none)      active     past_due   on_hold    paused     failed      cancelled  expired
active                 active      =          active     active     active     active!     active!    active!
renewed                active      =          active     active     ✗          active!     active!    active!
past_due               past_due?   past_due   =          ✗          ✗          past_due!   past_due!  past_due!
on_hold                on_hold?    on_hold    on_hold    =          on_hold    on_hold!    on_hold!   on_hold!
paused                 paused?     paused     ✗          paused     =          paused!     paused!    paused!
unpaused               active?     =          ✗          active     active     active!     active!    active!
cancelled              cancelled?  cancelled  cancelled  cancelled  cancelled  cancelled!  =          cancelled!
failed                 failed      ✗          ✗          ✗          ✗          =           ✗          ✗
expired                expired?    expired    expired    expired    expired    expired!    =          =
updated                =           =          =          =          =          =           =          =
plan_changed           =?          =          =          =          =          =           =          =
update_payment_method  =           =          =          =          =          =           =          =
""",  # noqa: E501
        # One that is past due pauses by way of active or of on_hold; one on hold falls due by way
        # of active. No observation alone leads out of the three ends.
        reached="""
state      pending  active  past_due  on_hold  paused  failed  cancelled  expired
(none)     yes      yes     yes       yes      yes     yes     yes        yes
active     no       yes     yes       yes      yes     no      yes        yes
past_due   no       yes     yes       yes      yes     no      yes        yes
on_hold    no       yes     yes       yes      yes     no      yes        yes
paused     no       yes     yes       yes      yes     no      yes        yes
failed     no       no      no        no       no      yes     no         no
cancelled  no       no      no        no       no      no      yes        no
expired    no       no      no        no       no      no      no         yes
""",
        no_statuses=("grace", "renewed", "updated", "unpaused", "Active", ""),
        final=frozenset({"cancelled", "failed", "expired"}),
        ranks=(
            frozenset({"updated"}),
            frozenset({"plan_changed", "update_payment_method"}),
            frozenset({"active"}),
            frozenset({"renewed"}),
            frozenset({"past_due"}),
            frozenset({"on_hold"}),
            frozenset({"paused"}),
            frozenset({"unpaused"}),
            frozenset({"failed"}),
            frozenset({"cancelled"}),
            frozenset({"expired"}),
        ),
    ),
    "payment": Expected(
        # No cell is a gap: the first event of a payment may be any of the four.
        judged="""
event       (none)      processing  failed      cancelled  succeeded
processing  processing  =           processing  ✗          ✗
failed      failed      failed      =           ✗          ✗
cancelled   cancelled   cancelled   cancelled   =          ✗
succeeded   succeeded   succeeded   succeeded   succeeded  =
""",
        # Only a fact makes a cancelled payment succeed.
        reached="""
state       processing  failed  cancelled  succeeded
(none)      yes         yes     yes        yes
processing  yes         yes     yes        yes
failed      yes         yes     yes        yes
cancelled   no          no      yes        no
succeeded   no          no      no         yes
""",
        no_statuses=("settled", "pending", "refunded", "Succeeded", ""),
        final=frozenset({"succeeded", "cancelled"}),
        ranks=(
            frozenset({"processing"}),
            frozenset({"failed"}),
            frozenset({"cancelled"}),
            frozenset({"succeeded"}),
        ),
    ),
    "refund": Expected(
        # No cell is a gap: a refund may come before its payment and is not waited for.
        judged="""
event      (none)     failed     succeeded
failed     failed     =          ✗
succeeded  succeeded  succeeded  =
""",
        reached="""
state      pending  review  failed  succeeded
(none)     yes      yes     yes     yes
failed     no       no      yes     yes
succeeded  no       no      no      yes
""",
        no_statuses=("processing", "reversed", "Succeeded", ""),
        final=frozenset({"succeeded"}),
        ranks=(frozenset({"failed"}), frozenset({"succeeded"})),
    ),
    "dispute": Expected(
        # Within one stage. A later event comes from nothing where the opening was never seen.
        judged="""
event       (none)       opened      challenged  won  lost  accepted  expired  cancelled
opened      opened       =           ✗           ✗    ✗     ✗         ✗        ✗
challenged  challenged?  challenged  =           ✗    ✗     ✗         ✗        ✗
won         won?         won         won         =    ✗     ✗         ✗        ✗
lost        lost?        lost        lost        ✗    =     ✗         ✗        ✗
accepted    accepted?    accepted    ✗           ✗    ✗     =         ✗        ✗
expired     expired?     expired     ✗           ✗    ✗     ✗         =        ✗
cancelled   cancelled?   cancelled   ✗           ✗    ✗     ✗         ✗        =
""",
        reached="""
state       opened  challenged  won  lost  accepted  expired  cancelled
(none)      yes     yes         yes  yes   yes       yes      yes
opened      yes     yes         yes  yes   yes       yes      yes
challenged  no      yes         yes  yes   no        no       no
won         no      no          yes  no    no        no       no
lost        no      no          no   yes   no        no       no
accepted    no      no          no   no    yes       no       no
expired     no      no          no   no    no        yes      no
cancelled   no      no          no   no    no        no       yes
""",
        no_statuses=("escalated", "dispute_opened", "dispute_won", "pending", "Opened", ""),
        final=frozenset({"won", "lost", "accepted", "expired", "cancelled"}),
        ranks=(
            frozenset({"opened"}),
            frozenset({"challenged"}),
            frozenset({"won", "lost", "accepted", "expired", "cancelled"}),
        ),
    ),
    "license_key": Expected(
        judged="""
event    (none)  active  disabled  expired
created  active  =       =         =
""",
        # It follows what is observed in any direction.
        reached="""
state     active  disabled  expired
(none)    yes     yes       yes
active    yes     yes       yes
disabled  yes     yes       yes
expired   yes     yes       yes
""",
        no_statuses=("revoked", "created", "pending", "Active", ""),
        final=frozenset(),
        ranks=(frozenset({"created"}),),
    ),
    "entitlement_grant": Expected(
        # What was revoked with its subscription is granted again with it, under the same id.
        judged="""
event      (none)      pending    delivered  failed     revoked
created    pending     =          =          =          =
failed     failed?     failed     ✗          =          failed
delivered  delivered?  delivered  =          delivered  delivered
revoked    revoked?    revoked    revoked    revoked    =
""",
        reached="""
state      pending  delivered  failed  revoked
(none)     yes      yes        yes     yes
pending    yes      yes        yes     yes
delivered  no       yes        yes     yes
failed     no       yes        yes     yes
revoked    no       yes        yes     yes
""",
        no_statuses=("Pending", "Delivered", "active", "created", ""),
        final=frozenset(),
        ranks=(
            frozenset({"created"}),
            frozenset({"failed"}),
            frozenset({"delivered"}),
            frozenset({"revoked"}),
        ),
    ),
    "credit": Expected(
        judged="""
event               (none)  open
rolled_over         open    =
rollover_forfeited  open    =
expired             open    =
overage_charged     open    =
overage_reset       open    =
added               open    =
deducted            open    =
manual_adjustment   open    =
balance_low         =       =
""",
        reached="""
state   open
(none)  yes
open    yes
""",
        no_statuses=("closed", "added", ""),
        final=frozenset(),
        ranks=tuple(
            frozenset({word})
            for word in (
                "rolled_over rollover_forfeited expired overage_charged overage_reset added"
                " deducted manual_adjustment balance_low"
            ).split()
        ),
    ),
    "dunning": Expected(
        # Nobody announces that reminding was given up; it is seen, and is left by a payment.
        judged="""
event      (none)      recovering  recovered  exhausted
started    recovering  =           =          =
recovered  recovered?  recovered   =          recovered
""",
        reached="""
state       recovering  recovered  exhausted
(none)      yes         yes        yes
recovering  yes         yes        yes
recovered   no          yes        no
exhausted   no          yes        yes
""",
        no_statuses=("started", "on_hold", "Recovered", ""),
        final=frozenset({"recovered"}),
        ranks=(frozenset({"started"}), frozenset({"recovered"})),
    ),
    "abandoned_checkout": Expected(
        judged="""
event      (none)      abandoned  recovering  recovered  exhausted  opted_out
detected   abandoned   =          =           =          =          =
recovered  recovered?  recovered  recovered   =          recovered  recovered
""",
        reached="""
state       abandoned  recovering  recovered  exhausted  opted_out
(none)      yes        yes         yes        yes        yes
abandoned   yes        yes         yes        yes        yes
recovering  no         yes         yes        yes        yes
recovered   no         no          yes        no         no
exhausted   no         yes         yes        yes        yes
opted_out   no         yes         yes        yes        yes
""",
        no_statuses=("detected", "failed", "Abandoned", ""),
        final=frozenset({"recovered"}),
        ranks=(frozenset({"detected"}), frozenset({"recovered"})),
    ),
    "payout": Expected(
        # Neither final nor ordered: what the body says is followed in any direction.
        judged="""
event          (none)         not_initiated  on_hold      in_progress  failed       success
created        not_initiated  =              =            =            =            =
not_initiated  not_initiated  =              =            =            =            =
on_hold        on_hold        on_hold        =            on_hold      on_hold      on_hold
in_progress    in_progress    in_progress    in_progress  =            in_progress  in_progress
failed         failed         failed         failed       failed       =            failed
success        success        success        success      success      success      =
""",
        reached="""
state          not_initiated  on_hold  in_progress  failed  success
(none)         yes            yes      yes          yes     yes
not_initiated  yes            yes      yes          yes     yes
on_hold        yes            yes      yes          yes     yes
in_progress    yes            yes      yes          yes     yes
failed         yes            yes      yes          yes     yes
success        yes            yes      yes          yes     yes
""",
        no_statuses=("created", "succeeded", "paid", "Success", ""),
        final=frozenset(),
        ranks=(
            frozenset({"created", "not_initiated"}),
            frozenset({"on_hold"}),
            frozenset({"in_progress"}),
            frozenset({"failed"}),
            frozenset({"success"}),
        ),
    ),
}


def cells(table: str) -> list[tuple[str, str, str]]:
    """Return the name of the row, of the column, and what is written there."""
    (_, *columns), *rows = (line.split() for line in table.strip().splitlines())
    return [
        (name, column, cell)
        for name, *row in rows
        for column, cell in zip(columns, row, strict=True)
    ]


def state_of(name: str) -> str | None:
    return None if name == "(none)" else name


def judgement(state: str | None, cell: str) -> Judgement:
    """Return what a cell says of an event that meets a state."""
    if cell.endswith("!"):
        return Judgement(Verdict.ANOMALY, state, gap=False, claims=cell[:-1])
    if cell == "✗":
        return Judgement(Verdict.REFUSED, state, gap=False)
    to, gap = cell.rstrip("?"), cell.endswith("?")
    if to == "=":
        return Judgement(Verdict.UNCHANGED, state, gap)
    return Judgement(Verdict.APPLIED, to, gap)


JUDGED: Final = [
    (kind, event, state_of(state), judgement(state_of(state), cell))
    for kind, expected in EXPECTED.items()
    for event, state, cell in cells(expected.judged)
]
REACHED: Final = [
    (kind, state_of(state), status, {"yes": True, "no": False}[cell])
    for kind, expected in EXPECTED.items()
    for state, status, cell in cells(expected.reached)
]
CLAIMS: Final = [
    (kind, event, state, judged.claims)
    for kind, event, state, judged in JUDGED
    if state is not None and judged.claims is not None
]
kinds: Final = pytest.mark.parametrize("kind", EXPECTED)


def machine(kind: str) -> Machine:
    return KINDS[kind].machine


def states(kind: str) -> list[str | None]:
    """Return every state that something of a kind may be in, with that of nothing."""
    return [None, *machine(kind).states]


def statuses(kind: str) -> set[str]:
    """Return every status that may be observed."""
    return {*machine(kind).states, *machine(kind).observed_first}


def test_every_kind_has_its_tables_but_those_that_no_event_is_about() -> None:
    assert EXPECTED.keys() == {name for name, kind in KINDS.items() if kind.machine.events}
    assert KINDS.keys() - EXPECTED.keys() == {"customer", "product"}


@kinds
def test_every_event_meets_every_state_once(kind: str) -> None:
    pairs = [(event, state) for kind_, event, state, _ in JUDGED if kind_ == kind]
    every = {(event, state) for event in machine(kind).events for state in states(kind)}
    assert len(pairs) == len(every)
    assert set(pairs) == every


@pytest.mark.parametrize(("kind", "event", "state", "expected"), JUDGED)
def test_an_event_is_judged_as_its_row_says(
    kind: str, event: str, state: str | None, expected: Judgement
) -> None:
    assert machine(kind).judge(state, event) == expected


@kinds
def test_every_status_is_observed_in_every_state_once(kind: str) -> None:
    pairs = [(state, status) for kind_, state, status, _ in REACHED if kind_ == kind]
    every = {(state, status) for state in states(kind) for status in statuses(kind)}
    assert len(pairs) == len(every)
    assert set(pairs) == every


@pytest.mark.parametrize(("kind", "state", "observed", "reached"), REACHED)
def test_an_observation_runs_ahead_only_along_valid_paths(
    kind: str, state: str | None, observed: str, reached: bool
) -> None:
    assert machine(kind).reaches(state, observed) is reached


@pytest.mark.parametrize(
    ("kind", "state", "observed"),
    [
        (kind, state_of(state), observed)
        for kind, expected in EXPECTED.items()
        for state in dict.fromkeys(row for row, _, _ in cells(expected.reached))
        for observed in expected.no_statuses
    ],
)
def test_what_is_no_status_is_never_reached(kind: str, state: str | None, observed: str) -> None:
    assert machine(kind).reaches(state, observed) is False


@pytest.mark.parametrize(
    ("kind", "event", "state", "claimed", "observed"),
    [
        (kind, event, state, claimed, observed)
        for kind, event, state, claimed in CLAIMS
        for observed in [
            None,
            *dict.fromkeys(status for _, status, _ in cells(EXPECTED[kind].reached)),
            *EXPECTED[kind].no_statuses,
        ]
    ],
)
def test_an_anomaly_is_one_only_where_its_own_data_bears_out_what_it_claims(
    kind: str, event: str, state: str, claimed: str, observed: str | None
) -> None:
    # Data is newer than its event: it may say what has become of the claimed state, but no end.
    reached = {
        status
        for kind_, from_, status, is_reached in REACHED
        if (kind_, from_) == (kind, claimed) and is_reached
    }
    borne_out = observed in reached - EXPECTED[kind].final | {claimed}
    step = machine(kind).step(Standing(state), event, None, observed)
    assert step.verdict is (Verdict.ANOMALY if borne_out else Verdict.REFUSED)
    assert step.to == Standing(state)
    assert step.led == (Standing(claimed) if borne_out else None)
    assert step.reason is not None
    assert step.reason.startswith(f"{kind}.{event} is not a valid transition from {state}")


@kinds
def test_an_end_is_final(kind: str) -> None:
    assert machine(kind).final == EXPECTED[kind].final


@kinds
def test_the_events_of_one_instant_have_their_ranks(kind: str) -> None:
    ranks = machine(kind).ranks
    tiers = [
        frozenset(event for event in ranks if ranks[event] == rank)
        for rank in sorted(set(ranks.values()))
    ]
    assert tuple(tiers) == EXPECTED[kind].ranks


@kinds
def test_the_events_are_listed_lowest_rank_first(kind: str) -> None:
    ranks = [machine(kind).ranks[event] for event in machine(kind).words]
    assert ranks == sorted(ranks)
    assert set(machine(kind).words) == set(machine(kind).events)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_look_may_find_whatever_facts_lead_to(kind: str) -> None:
    machine = KINDS[kind].machine
    stages: tuple[str | None, ...] = machine.stages or (None,)
    standings = [Standing(status, stage) for status in machine.states for stage in stages]
    for origin in (Standing(), *standings):
        reached, frontier = {origin}, [origin]
        while frontier:
            stood = frontier.pop()
            steps = [machine.step(stood, word, one) for word in machine.events for one in stages]
            onward = {step.to for step in steps if step.verdict.is_valid} - reached
            reached |= onward
            frontier += onward
        for found in reached - {origin, Standing()}:
            assert found.status is None or machine.leads(origin, found), (origin, found)
