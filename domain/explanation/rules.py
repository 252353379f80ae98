"""How each field of a thing follows from the evidence about it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

from domain.aggregates.credit import WARNING, is_entry, tells_of_account
from domain.aggregates.entitlement_grant import license_key_id
from domain.aggregates.payment import (
    PaymentEntity,
    billing_country,
    cart,
    given_back,
    products,
    subscriptions,
)
from domain.aggregates.product import PRICE_FIELDS, PRICED, price_in
from domain.aggregates.refund import RefundEntity
from domain.explanation.evidence import (
    Evidence,
    Reading,
    Said,
    evidence,
    first_of_run,
    shown,
)
from domain.field_readers import instant
from domain.look import MISSING
from domain.payload import LINKED_BY
from domain.state_machine import Standing
from domain.timeline import PLACE, follow

if TYPE_CHECKING:
    from domain.entity import Kind, Observation
    from domain.explanation.evidence import Judged, Source
    from domain.timeline import Fact


class Grounds(NamedTuple):
    """What a field's value follows from; as in `Explanation`, but all of it."""

    set_by: list[Source]
    passed_over: list[Source]
    since: Source | None = None
    note: str | None = None


_UNSAID: Final = "No delivery has said it."
Rule: TypeAlias = Callable[[Evidence, str], Grounds]


def rule_of(kind: Kind, field: str) -> Rule:
    """Return the rule by which a field of a kind's entity follows."""
    if field == kind.id_field:
        return _named
    if kind.name == "product" and field in PRICED:
        return _priced
    return RULES.get(field, _linked if field in kind.links else _ordinary)


def _newest(of: Evidence, reading: Reading, *names: str) -> Grounds:
    """Take the newest delivery, of looks one that says one of these fields of `data`."""
    telling = of.telling(*names)
    if not telling:
        return Grounds([], [], note=_UNSAID)
    newest, *older = telling
    value, said, note = reading.read(newest.observation), reading.said(newest.observation), None
    if value is None:
        unsaid = "does not say it" if said is None else "says it in a way that cannot be read"
        note = f"The newest delivery {unsaid}, and no older one counts."
    since = first_of_run(telling, value, reading.read)
    return Grounds(
        [reading.source(newest, "it is the newest delivery")],
        [
            reading.source(seen, "a newer delivery says otherwise")
            for seen in older
            if reading.read(seen.observation) != value
        ],
        reading.source(since, "since then no delivery has said otherwise"),
        note,
    )


def _last_known(of: Evidence, reading: Reading, *names: str) -> Grounds:
    telling = of.telling(*names)
    saying = [seen for seen in telling if reading.read(seen.observation) is not None]
    if not saying:
        return Grounds([], [], note=_UNSAID)
    value = reading.read(saying[0].observation)
    newer = telling[: telling.index(saying[0])]
    others = [seen for seen in saying if reading.read(seen.observation) != value]
    since = first_of_run(saying, value, reading.read)
    return Grounds(
        [reading.source(saying[0], "it is the newest delivery that says it")],
        [reading.source(seen, "it does not say it, so the last known stays") for seen in newer]
        + [reading.source(seen, "a newer delivery says otherwise") for seen in others],
        reading.source(since, "since then no delivery has said otherwise"),
    )


def _ordinary(of: Evidence, field: str) -> Grounds:
    read = of.kind.readers[field]
    reading = Reading(lambda o: read(getattr(o.payload, field)), _shown(field))
    return _newest(of, reading, field)


def _priced(of: Evidence, field: str) -> Grounds:
    def part(observation: Observation) -> Said:
        return shown(price_in(observation)[field])

    return _newest(of, Reading(part, part), *PRICE_FIELDS)


def _shown(field: str) -> Callable[[Observation], Said]:
    return lambda observation: shown(observation.data.get(field))


def _linked(of: Evidence, field: str) -> Grounds:
    def link(observation: Observation) -> str | None:
        return of.kind.links[field](observation.payload)

    return _last_known(of, Reading(link, link), *LINKED_BY[field])


def _product_ids(of: Evidence, _: str) -> Grounds:
    def cart(observation: Observation) -> list[str]:
        return list(products(observation.payload))

    return _newest(of, Reading(cart, cart), "product_cart")


def _cart(of: Evidence, _: str) -> Grounds:
    read = Reading(lambda o: cart(o.payload), _shown("product_cart"))
    return _newest(of, read, "product_cart")


def _billing_country(of: Evidence, _: str) -> Grounds:
    def country(observation: Observation) -> str | None:
        return billing_country(observation.payload)

    return _newest(of, Reading(country, country), "billing")


def _subscription_ids(of: Evidence, field: str) -> Grounds:
    if of.kind.name == "credit":
        return _of_ledger(of, field)

    def paid_for(observation: Observation) -> list[str] | None:
        return list(subscriptions(observation.payload)) or None

    return _last_known(of, Reading(paid_for, paid_for), *LINKED_BY["subscription_id"])


def _license_key_id(of: Evidence, _: str) -> Grounds:
    def granted(observation: Observation) -> str | None:
        return license_key_id(observation.payload)

    return _last_known(of, Reading(granted, granted), "license_key")


def _of_ledger(of: Evidence, _: str) -> Grounds:
    """Name all entries: a balance follows from every one of them."""
    return _all_of(of, is_entry, "it is an entry of the ledger", "amount", "There is no entry.")


def _warned(of: Evidence, _: str) -> Grounds:
    warnings = [
        judged.source("it is a warning") for judged in of.facts if judged.fact.word == WARNING
    ]
    return Grounds(warnings, [], note=None if warnings else "There is no warning.")


def _told_of_account(of: Evidence, _: str) -> Grounds:
    """Name what tells of the account rather than of an entry: warnings, and looks."""
    why, nothing = "it tells of the account", "Nothing tells of the account."
    return _all_of(of, tells_of_account, why, "balance", nothing)


def _all_of(
    of: Evidence,
    is_meant: Callable[[Fact, Observation], bool],
    why: str,
    field: str,
    nothing: str,
) -> Grounds:
    """Name all that is meant, with what its data says in a field."""
    meant = [
        seen.source(why, shown(seen.observation.data.get(field)))
        for seen in of.seen
        if is_meant(seen.fact, seen.observation)
    ]
    return Grounds(meant, [], note=None if meant else nothing)


def _of_balance(of: Evidence, field: str) -> Grounds:
    unexplained = getattr(of.entity, "unexplained", None)
    grounds, told = _of_ledger(of, field), _told_of_account(of, field)
    note = grounds.note
    if unexplained:
        note = f"Entries are missing, which changed it by {unexplained} in all: Dodo's word counts."
    return grounds._replace(set_by=_newest_first([*grounds.set_by, *told.set_by]), note=note)


def _created_at(of: Evidence, field: str) -> Grounds:
    read = Reading(lambda o: instant(o.payload.created_at), _shown(field))
    grounds = _newest(of, read, field)
    if grounds.note is None:
        return grounds
    noun = of.facts[-1].noun
    first = _time_of(of.facts[-1], f"it is the first {noun}")
    return grounds._replace(
        set_by=[first], since=first, note=f"{grounds.note} The first {noun} does."
    )


def _named(of: Evidence, field: str) -> Grounds:
    said = getattr(of.entity, field)
    noun = of.facts[-1].noun
    first = of.facts[-1].source(f"it is the first {noun}, and all others say the same", said)
    return Grounds([first], [], first)


def _occurred_at(of: Evidence, _: str) -> Grounds:
    return Grounds([_time_of(of.facts[0], f"it is the newest {of.facts[0].noun}")], [])


def _time_of(fact: Judged, reason: str) -> Source:
    return fact.source(reason, msgspec.to_builtins(fact.fact.occurred_at))


def _observed_status(of: Evidence, _: str) -> Grounds:
    return _last_known(of, _status_of(of.kind), of.kind.status_field)


def _status_of(kind: Kind) -> Reading:
    return Reading(lambda o: o.standing.status, _shown(kind.status_field))


def _folded_status(of: Evidence, _: str) -> Grounds:
    moves = _moves(of)
    note = None if moves else "No fact has set a state."
    return Grounds(moves, _refused(of), next(iter(moves), None), note)


def _moves(of: Evidence) -> list[Source]:
    return [
        judged.source(f"it is the last {judged.noun} that moved the state")
        for judged in of.last_move
    ]


def _status(of: Evidence, field: str) -> Grounds:
    standing, drift = follow(of.kind, of.folded)
    grounds = _folded_status(of, field)
    if drift is None and standing != of.folded.standing:
        last = _status_of(of.kind).source(of.with_status[0], "it is the last observation")
        note = f"The status follows what Dodo last said: no event announces {standing.status}."
        return Grounds([last], _not_followed(of), _unbroken(of), note)
    if drift is None:
        return grounds._replace(passed_over=_not_followed(of))
    lead = f"the facts lead to {drift.folded or 'no state'}"
    if standing == of.folded.led and standing.status != drift.observed:
        claims = [judged.source(f"anomaly: {judged.entry.reason}") for judged in of.anomalies[:1]]
        note = f"Dodo last said {drift.observed}, which does not follow from {standing.status}."
        return Grounds(claims, _not_followed(of, "it does not follow"), None, note)
    if standing != of.folded.standing:
        last = _status_of(of.kind).source(of.with_status[0], "it is the last observation")
        note = f"The status follows what Dodo last said, {drift.observed}, while {lead}."
        return Grounds([last], _not_followed(of), _unbroken(of), note)
    why = _obstacle(of.kind, of.folded.standing, Standing(drift.observed, drift.observed_stage))
    note = f"Dodo last said {drift.observed}, while {lead}; it is not followed: {why}."
    return grounds._replace(passed_over=_not_followed(of, why), note=note)


def _drift(of: Evidence, _: str) -> Grounds:
    drift = of.entity.drift
    if drift is None:
        agrees = "What Dodo last said agrees with the facts."
        if of.entity.status != of.entity.folded_status:
            agrees = f"No event announces {of.entity.status}, so none is missing."
        return Grounds([], [], note=agrees if of.with_status else "Dodo has said no status.")
    reading = _status_of(of.kind)
    last = reading.source(of.with_status[0], "it is the last observation of a status")
    moves = _moves(of)
    note = f"Dodo last said {drift.observed}, while the facts lead to {drift.folded or 'no state'}."
    return Grounds([last, *moves], _refused(of), _unbroken(of), note)


def _unbroken(of: Evidence) -> Source:
    last = of.with_status[0].observation.standing
    first = first_of_run(of.with_status, last, lambda observation: observation.standing)
    return _status_of(of.kind).source(first, "since then Dodo has said nothing else")


def _obstacle(kind: Kind, standing: Standing, observed: Standing) -> str:
    machine, status = kind.machine, observed.status
    if status not in machine.states and status not in machine.observed_first:
        return f"{status} is not a status of a {kind.name}"
    if standing.status in machine.final:
        return f"{standing.status} is final, and only a fact leads out of it"
    if status in machine.observed_first:
        return f"{status} counts only before a fact has set a state"
    if standing.stage is not None and observed.stage != standing.stage:
        return f"stage {observed.stage} is earlier than {standing.stage}"
    return f"no valid transitions lead from {standing.status or 'nothing'} to {status}"


def _refused(of: Evidence) -> list[Source]:
    return [_refused_fact(judged) for judged in of.facts if judged.refused]


def _refused_fact(judged: Judged) -> Source:
    return judged.source(f"{judged.entry.verdict}: {judged.entry.reason}")


def _not_followed(of: Evidence, obstacle: str | None = None) -> list[Source]:
    # The last observation is not followed if there is an obstacle, and those before it never.
    reading = _status_of(of.kind)
    reasons = [obstacle] + ["a newer observation carries a status"] * len(of.with_status)
    passed = [(PLACE(judged.fact), _refused_fact(judged)) for judged in of.facts if judged.refused]
    for seen, reason in zip(of.with_status, reasons, strict=False):
        if reason and (reason is obstacle or seen.observation.standing.status != of.entity.status):
            passed.append((PLACE(seen.fact), reading.source(seen, reason)))
    return [source for _, source in sorted(passed, key=itemgetter(0), reverse=True)]


_GAPS: Final = {
    False: "a gap: it is accepted, but what must have come before it was never seen",
    True: "a gap: facts that should have told what it says were never seen",
}


def _history(of: Evidence, _: str) -> Grounds:
    gaps = [judged.source(_GAPS[judged.fact.is_look]) for judged in of.facts if judged.entry.gap]
    since = " Dodo's API has said since what is so." if of.entity.history == "settled" else ""
    if of.folded.standing.status is None:
        return Grounds(gaps, _refused(of), note=f"No fact has set a state.{since}")
    note = None if gaps else "Every fact follows from those before it, or is refused."
    if not gaps and of.entity.history != "complete":
        note = "Entries are missing: what was before one is not what another leads to."
    return Grounds(gaps, [], note=f"{note or ''}{since}".strip() or None)


def _refused_count(of: Evidence, _: str) -> Grounds:
    refused = _refused(of)
    note = "Each is judged again whenever another fact arrives." if refused else None
    return Grounds(refused, [], note=note)


def _settled(of: Evidence, _: str) -> Grounds:
    told = of.facts[len(of.facts) - of.folded.told :]
    settled = [_refused_fact(judged) for judged in told if judged.refused]
    note = "Dodo's API has said since what is so." if settled else None
    return Grounds(settled, [], note=note)


def _missing_since(of: Evidence, _: str) -> Grounds:
    trailing = list(takewhile(lambda judged: judged.fact.word == MISSING, of.facts))
    looks = [judged.source("Dodo's API did not have it") for judged in trailing]
    note = None if looks else "Dodo was never heard not to have it since it last told of it."
    return Grounds(looks[-1:], [], next(reversed(looks), None), note)


def _stage(of: Evidence, _: str) -> Grounds:
    reading = Reading(lambda o: o.standing.stage, _shown(of.kind.stage_field))
    standing, _drift = follow(of.kind, of.folded)
    moves = [judged for judged in of.facts if judged.after.stage != judged.before.stage][:1]
    passed = [
        judged.source(_stage_obstacle(of.kind, judged), stage)
        for judged in of.facts
        if (stage := judged.fact.observations[0].standing.stage) is not None
        and stage != standing.stage
    ]
    if standing.stage != of.folded.standing.stage:
        last = reading.source(of.with_status[0], "it is the last observation of a status")
        return Grounds([last], passed, last, "The stage follows what Dodo last said.")
    said = [
        judged.source(f"it is the last {judged.noun} that moved the stage", standing.stage)
        for judged in moves
    ]
    return Grounds(said, passed, next(iter(said), None), None if said else "No fact has told it.")


def _stage_obstacle(kind: Kind, judged: Judged) -> str:
    stage = judged.fact.observations[0].standing.stage
    if stage not in kind.machine.stages:
        return f"{stage} is not a stage that is known, so the current one counts"
    return (
        f"refused: {judged.entry.reason}" if judged.refused else "a newer fact has moved the stage"
    )


def _refunded_amount(of: Evidence, _: str) -> Grounds:
    currency = of.entity.currency if isinstance(of.entity, PaymentEntity) else None
    counted: list[Source] = []
    others: list[Source] = []
    for known in of.aggregate.entities():
        if isinstance(known.entity, RefundEntity):
            _amount, problem = given_back(known.entity, currency)
            newest = evidence(of.aggregate, known).seen[0]
            reason = f"{known.entity.refund_id}: {problem or 'the refund has succeeded'}"
            said = _shown("amount")(newest.observation)
            (others if problem else counted).append(newest.source(reason, said))
    return Grounds(_newest_first(counted), _newest_first(others))


def _newest_first(sources: list[Source]) -> list[Source]:
    return sorted(sources, key=lambda source: (source.occurred_at, source.webhook_id), reverse=True)


def _anomaly(of: Evidence, field: str) -> Grounds:
    if of.kind.name == "credit":
        return _of_ledger(of, field)
    return _excess(of, field) if of.kind.name == "payment" else _contradicted_end(of, field)


def _contradicted_end(of: Evidence, field: str) -> Grounds:
    claims = [judged.source(f"anomaly: {judged.entry.reason}") for judged in of.anomalies]
    if getattr(of.entity, field) is None:
        note = "Dodo has said the end again since." if claims else "Nothing contradicts an end."
        return Grounds([], claims, None, note)
    return Grounds([*claims, *_moves(of)], [])


def _excess(of: Evidence, field: str) -> Grounds:
    total, refunded = _ordinary(of, "total_amount"), _refunded_amount(of, field)
    note = None if getattr(of.entity, field) else "The refunds do not exceed the total."
    return Grounds(total.set_by + refunded.set_by, refunded.passed_over, None, note)


RULES: Final[dict[str, Rule]] = {
    "business_id": _named,
    "status": _status,
    "folded_status": _folded_status,
    "observed_status": _observed_status,
    "drift": _drift,
    "history": _history,
    "refused": _refused_count,
    "settled": _settled,
    "missing_since": _missing_since,
    "occurred_at": _occurred_at,
    "created_at": _created_at,
    "stage": _stage,
    "product_ids": _product_ids,
    "refunded_amount": _refunded_amount,
    "anomaly": _anomaly,
    "subscription_ids": _subscription_ids,
    "cart": _cart,
    "billing_country": _billing_country,
    "license_key_id": _license_key_id,
    **dict.fromkeys(("ledger_balance", "ledger_overage", "entries"), _of_ledger),
    **dict.fromkeys(
        ("balance", "overage", "observed_balance", "observed_overage", "unexplained"), _of_balance
    ),
    "credit_entitlement_name": _told_of_account,
    "low_at": _warned,
}
"""The fields with a rule of their own; links and ordinary fields have one rule each."""
