"""The credits that one customer has of one sort: a ledger, and the balance that it adds up to."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from domain.aggregate import Aggregate
from domain.credits.account import LedgerBefore, Telling, gone_on
from domain.credits.entry import EXACT, NOTHING, CreditEntry, difference
from domain.entity import Entity, Kind
from domain.field_readers import (
    boolean,
    decimal,
    identity,
    instant,
    shortest,
    text,
)
from domain.look import OBSERVED, RANK_OF_LOOKS
from domain.state_machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from domain.aggregate import Saying
    from domain.entity import Observation
    from domain.payload import Payload
    from domain.timeline import Fact, Folded

STATES = {"open": "There are entries in its ledger."}
EVENTS = {
    "rolled_over": "What was left of a period was carried over.",
    "rollover_forfeited": "What could not be carried over is gone.",
    "expired": "What was not used in time is gone.",
    "overage_charged": "What was used beyond the balance was put on the bill.",
    "overage_reset": "What was used beyond the balance counts no more.",
    "added": "Credits were granted.",
    "deducted": "Credits were used.",
    "manual_adjustment": "The merchant has changed the balance.",
    "balance_low": "The balance has fallen below a threshold: a warning, and no entry.",
}
RANKS = {
    "rolled_over": 800,
    "rollover_forfeited": 810,
    "expired": 820,
    "overage_charged": 830,
    "overage_reset": 840,
    "added": 850,
    "deducted": 860,
    "manual_adjustment": 870,
    "balance_low": 880,
}
TYPES_IN_ORDER: Final = tuple(f"credit.{word}" for word in sorted(RANKS, key=RANKS.__getitem__))
"""The types of entries, in the order of those of one instant."""
# Source: docs/dodo.md, section 6. Credits have no states; what an entry does to the balance does
# not depend on what was before it.
MACHINE = Machine(
    kind="credit",
    states=STATES,
    events=EVENTS,
    ranks=RANKS,
    grid="""
        rolled_over  rollover_forfeited  expired  overage_charged  overage_reset  added  deducted  manual_adjustment  balance_low
(none)  open         open                open     open             open           open   open      open               =
open    =            =                   =        =                =              =      =         =                  =
""",  # noqa: E501
)
SUBSCRIPTIONS_MAX: Final = 100
_BEFORE_ALL: Final = datetime.min.replace(tzinfo=UTC)
WARNING: Final = "balance_low"
"""The one event that is no entry of the ledger."""
_WORDS: Final = {
    "credit_added": "added",
    "credit_deducted": "deducted",
    "credit_expired": "expired",
    "credit_rolled_over": "rolled_over",
    "auto_top_up": "added",
    "refund": "manual_adjustment",
}
"""The event that tells of an entry of a sort, or whose place an entry without one takes."""


class CreditEntity(Entity, kw_only=True):
    """The credits of a customer as they are known; all amounts are in credits, exactly.

    `balance` less `overage` is what is left. They are what the ledger's entries lead to: from where
    the first known entry begins where none is missing since, else what the newest entry says.
    `ledger_balance` and `ledger_overage` are what the known entries add up to from nothing,
    `observed_balance` and `observed_overage` what Dodo last said. `unexplained` is what entries
    that are missing must have changed: zero where none is. `subscription_ids` are those that
    entries name.
    """

    id: str
    credit_entitlement_id: str
    credit_entitlement_name: str | None
    balance: Decimal | None
    overage: Decimal | None
    ledger_balance: Decimal
    ledger_overage: Decimal
    observed_balance: Decimal | None
    observed_overage: Decimal | None
    unexplained: Decimal | None
    entries: int
    low_at: datetime | None
    subscription_ids: tuple[str, ...]
    anomaly: str | None
    metadata: dict[str, str]


class _Told(msgspec.Struct, kw_only=True):
    """What the bodies of credits say beside what is kept of the account.

    `balance` and `overage` stand in what the API says of the whole account. No body says `made_at`:
    it is when the entry was made that a look is at.
    """

    id: str | None
    transaction_type: str | None
    is_credit: bool | None
    amount: Decimal | None
    balance_before: Decimal | None
    balance_after: Decimal | None
    overage_before: Decimal | None
    overage_after: Decimal | None
    credit_entitlement_name: str | None
    available_balance: Decimal | None
    reference_type: str | None
    reference_id: str | None
    grant_id: str | None
    description: str | None
    balance: Decimal | None
    overage: Decimal | None
    made_at: datetime | None


def _beside(look: Payload, known: Payload) -> Payload:
    """Take an entry, or a balance, for what it is: it says nothing new of the account's fields."""
    make: Callable[..., Payload] = msgspec.structs.replace
    kept = {"metadata": known.metadata, "created_at": known.created_at}
    return make(look, **kept, made_at=look.created_at)


CREDIT = Kind(
    MACHINE,
    CreditEntity,
    "id",
    named_by=("customer_id", "credit_entitlement_id"),
    status_field="",
    told=_Told,
    derived={
        "credit_entitlement_name": None,
        "balance": None,
        "overage": None,
        "ledger_balance": NOTHING,
        "ledger_overage": NOTHING,
        "observed_balance": None,
        "observed_overage": None,
        "unexplained": None,
        "entries": 0,
        "low_at": None,
        "subscription_ids": (),
        "anomaly": None,
    },
    beside=_beside,
    looked=lambda _: "open",
)


class Credit(Aggregate):
    """The stream of one customer's credits of one sort."""

    kinds: ClassVar[tuple[Kind, ...]] = (CREDIT,)

    @staticmethod
    def told_at(saying: Saying) -> datetime | None:
        """Return when the entry was made of which an event tells."""
        is_look, observation = saying.rank == RANK_OF_LOOKS, saying.observation
        if not _is_entry(saying.word, observation, is_look=is_look):
            return None
        made_at = instant(observation.payload.created_at)
        # Of a look that does not say it, nobody knows which entry it is.
        return _BEFORE_ALL if made_at is None and is_look else made_at

    def derive(self, described: Mapping[tuple[str, str], Entity]) -> None:
        """Add what the ledger's entries lead to, and what of it is not explained by them."""
        for named, entity in described.items():
            if isinstance(entity, CreditEntity):
                _balance(entity, self.once(_accounts)[named])

    def parts(self) -> dict[str, str]:
        """Return the entries, each with who told it."""
        return {entry.id: entry.webhook_id for entry in self.ledger()}

    def ledger(self) -> list[CreditEntry]:
        """Return the entries, in the order in which they were made."""
        return [entry for ledger in self.once(_ledgers).values() for entry in ledger]


def ledger_up_to(aggregate: Aggregate) -> LedgerBefore:
    """Return what is carried of a stream that is about one account."""
    (account,) = aggregate.once(_accounts).values()
    return account


def _accounts(aggregate: Aggregate) -> dict[tuple[str, str], LedgerBefore]:
    before = aggregate.carried(LedgerBefore) or LedgerBefore()
    ledgers = aggregate.once(_ledgers)
    return {
        named: gone_on(
            before,
            ledgers[named],
            _tellings(folded),
            _subscriptions(folded, before.subscription_ids),
        )
        for named, folded in aggregate.folded().items()
    }


def _ledgers(aggregate: Aggregate) -> dict[tuple[str, str], list[CreditEntry]]:
    business_id = aggregate.business_id
    return {named: _ledger(business_id, folded) for named, folded in aggregate.folded().items()}


def _ledger(business_id: str, folded: Folded) -> list[CreditEntry]:
    # One that is told again is told with the same time.
    entries: dict[tuple[datetime, str], CreditEntry] = {}
    for fact, _, _, observations in folded.steps():
        for observation in observations:
            if not is_entry(fact, observation):
                continue
            payload = observation.payload
            word = _word_of(_sort(payload)) if fact.is_look else fact.word
            make: Callable[..., CreditEntry] = CreditEntry
            entry = make(
                business_id=business_id,
                position=str(fact.position),
                webhook_id=fact.webhook_id,
                type=f"{MACHINE.kind}.{word}",
                **_read(payload, word, fact.webhook_id, fact.occurred_at),
            )
            named = entry.created_at, entry.id
            before = entries.get(named)
            if before is not None and before.moved != entry.moved:
                differs = "two webhooks say different things of it"
                entry = msgspec.structs.replace(entry, anomaly=differs)
            elif before is not None and fact.is_look:
                continue
            entries[named] = entry
    return sorted(entries.values(), key=place_of)


def place_of(entry: CreditEntry) -> tuple[datetime, int, str]:
    """Return where an entry stands in its ledger: its time, its type's place from 1 on, its id."""
    return entry.created_at, TYPES_IN_ORDER.index(entry.type) + 1, entry.id


def is_entry(fact: Fact, observation: Observation) -> bool:
    """Tell whether what is told is an entry of the ledger."""
    return _is_entry(fact.word, observation, is_look=fact.is_look)


def _is_entry(word: str, observation: Observation, *, is_look: bool) -> bool:
    if is_look:
        return word == OBSERVED and _sort(observation.payload) is not None
    return word != WARNING


def tells_of_account(fact: Fact, observation: Observation) -> bool:
    """Tell whether what is told is the balance of the account, by a warning or a look."""
    found = fact.word in {WARNING, OBSERVED}
    return found and not is_entry(fact, observation)


def _sort(payload: Payload) -> str | None:
    found: str | None = getattr(payload, "transaction_type", None)
    return found


def _word_of(sort: str | None) -> str:
    """Return the event that tells of an entry of this sort; an unknown one counts as the last."""
    word = _WORDS.get(sort or "", sort or "")
    return word if word in RANKS and word != WARNING else "manual_adjustment"


def _read(payload: Payload, word: str, webhook_id: str, at: datetime) -> dict[str, object]:
    values = zip(_READERS.items(), _SAID(payload), strict=True)
    said = {name: read(value) for (name, read), value in values}
    adds = said.pop("is_credit")
    balance = difference(said["balance_before"], said["balance_after"])
    overage = difference(said["overage_before"], said["overage_after"])
    amount = said["amount"]
    signed = None
    if isinstance(amount, Decimal) and isinstance(adds, bool):
        signed = amount if adds else shortest(-amount)
    of_overage = word in {"overage_charged", "overage_reset"}
    otherwise = signed or NOTHING
    changes = (
        balance if balance is not None else NOTHING if of_overage else otherwise,
        overage if overage is not None else shortest(-otherwise) if of_overage else NOTHING,
    )
    anomaly = None
    if signed is not None and signed != EXACT.subtract(*changes):
        anomaly = "its amount is not what it changes"
    return said | {
        "id": said["id"] or webhook_id,
        "created_at": instant(getattr(payload, "made_at", None))
        or instant(payload.created_at)
        or at,
        "amount": signed,
        "balance_change": changes[0],
        "overage_change": changes[1],
        "anomaly": anomaly,
    }


_TEXTS: Final = ("transaction_type", "reference_type", "description")
_IDS: Final = ("id", "customer_id", "credit_entitlement_id", "reference_id", "grant_id")
_DECIMALS: Final = (
    "amount", "balance_before", "balance_after", "overage_before", "overage_after",
)  # fmt: skip
_READERS: Final[Mapping[str, Callable[[object], object]]] = {
    **dict.fromkeys(_TEXTS, text),
    **dict.fromkeys(_IDS, identity),
    **dict.fromkeys(_DECIMALS, decimal),
    "is_credit": boolean,
}
_SAID: Final = attrgetter(*_READERS)


def _tellings(folded: Folded) -> list[Telling]:
    return [
        Telling(
            fact.occurred_at,
            not fact.is_look,
            getattr(payload, "credit_entitlement_name", None),
            decimal(getattr(payload, "balance" if fact.is_look else "available_balance", None)),
            decimal(getattr(payload, "overage", None)) if fact.is_look else None,
        )
        for fact, _, _, observations in folded.steps()
        for observation in observations
        for payload in [observation.payload]
        if tells_of_account(fact, observation)
    ]


def _subscriptions(folded: Folded, before: Iterable[str]) -> tuple[str, ...]:
    """Return the subscriptions that entries and warnings name, as an entity may have so many."""
    named = {*before}
    for observation in folded.observations:
        payload = observation.payload
        of_one = getattr(payload, "reference_type", None) == "subscription"
        named |= {*filter(None, [payload.subscription_id])}
        named |= {*filter(None, [getattr(payload, "reference_id", None)] * of_one)}
    return tuple(sorted(named)[:SUBSCRIPTIONS_MAX])


def _balance(entity: CreditEntity, account: LedgerBefore) -> None:
    entity.entries = account.entries
    entity.ledger_balance, entity.ledger_overage = account.balance, account.overage
    entity.low_at, entity.credit_entitlement_name = account.low_at, account.name
    entity.subscription_ids = account.subscription_ids
    newest, is_whole = account.newest, account.is_whole
    observed: tuple[Decimal | None, Decimal | None] = account.chain.closing or (None, None)
    if newest is not None and newest[3:] != observed:
        observed, is_whole = newest[3:], False
    entity.observed_balance, entity.observed_overage = observed
    entity.balance, entity.overage = (
        (entity.ledger_balance, entity.ledger_overage) if observed[0] is None else observed
    )
    if observed[0] is not None:
        counted = EXACT.subtract(entity.ledger_balance, entity.ledger_overage)
        told = EXACT.subtract(observed[0], observed[1] or NOTHING)
        entity.unexplained = shortest(EXACT.subtract(told, counted))
    if not is_whole:
        is_settled = newest is not None and not newest.is_warning
        entity.history = "settled" if is_settled else "partial"
    if account.odd is not None:
        number, first, anomaly = account.odd
        others = f", and {number - 1} more are odd" if number > 1 else ""
        entity.anomaly = f"entry {first}: {anomaly}{others}"
