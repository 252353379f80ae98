"""What there is of a merchant at an instant: each object as the newest webhook about it says.

Webhooks that were lost on their way say it too: they are about what Dodo knows itself.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from random import Random

import msgspec

from simulator.merchant import Occurrence
from simulator.subjects import ID_FIELDS, kind_of, subject

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
NO_ENTRY = "credit.balance_low"
"""A warning, and no line of a ledger as the other webhooks about credits are."""


class _Named(msgspec.Struct):
    customer_id: str


class About(msgspec.Struct):
    """What objects are found and chosen by."""

    created_at: datetime
    id: str | None = None
    payment_id: str | None = None
    refund_id: str | None = None
    dispute_id: str | None = None
    subscription_id: str | None = None
    payout_id: str | None = None
    product_id: str | None = None
    entitlement_id: str | None = None
    credit_entitlement_id: str | None = None
    status: str | None = None
    dispute_status: str | None = None
    dispute_stage: str | None = None
    transaction_type: str | None = None
    currency: str | None = None
    brand_id: str | None = None
    integration_type: str | None = None
    source: str | None = None
    customer_id: str | None = None
    customer: _Named | None = None

    def field(self, name: str) -> str | None:
        """A field by which a list may be asked; `customer_id` wherever it stands."""
        if name == "customer_id" and self.customer_id is None:
            return self.customer.customer_id if self.customer else None
        value: str | None = getattr(self, name)
        return value


class Row(msgspec.Struct):
    """An object as it stands: what it is found by, and its JSON."""

    id: str
    about: About
    json: bytes

    @property
    def created_at(self) -> datetime:
        """When it was made, by which lists are in order."""
        return self.about.created_at

    @property
    def data(self) -> dict[str, object]:
        """The object, for somebody to change."""
        return msgspec.json.decode(self.json, type=dict[str, object])


class _Envelope(msgspec.Struct):
    data: msgspec.Raw


class _Buyer(msgspec.Struct):
    created_at: datetime | None = None
    customer: msgspec.Raw = msgspec.Raw(b"")


class _OfBuyer(msgspec.Struct):
    data: _Buyer


class _OfBusiness(msgspec.Struct):
    business_id: str


class Listed:
    """Objects of one kind, newest first."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._ascending = sorted(rows, key=lambda row: (row.created_at, row.id))
        self._by_id = {row.id: row for row in self._ascending}

    def one(self, id_: str) -> Row | None:
        """The object of an id."""
        return self._by_id.get(id_)

    def between(self, since: datetime | None, until: datetime | None) -> Sequence[Row]:
        """Those that were made within these bounds, newest first."""
        created_at = attrgetter("created_at")
        low = 0 if since is None else bisect_left(self._ascending, since, key=created_at)
        high = None if until is None else bisect_right(self._ascending, until, key=created_at)
        return self._ascending[low:high][::-1]


class Standing:
    """All objects that there are at an instant, each as it is then."""

    def __init__(self, listed: Mapping[str, Listed]) -> None:
        self._listed = listed
        self._grouped: dict[tuple[str, ...], dict[tuple[str | None, ...], Listed]] = {}
        self._status_of_key: dict[str, str] | None = None

    def all(self, kind: str) -> Listed:
        """The objects of a kind."""
        return self._listed[kind]

    def where(self, kind: str, **fields: str) -> Listed:
        """Those of a kind that have these values in these fields."""
        groups = self._grouped.get((kind, *fields))
        if groups is None:
            rows: dict[tuple[str | None, ...], list[Row]] = defaultdict(list)
            for row in self._listed[kind].between(None, None):
                rows[tuple(row.about.field(name) for name in fields)].append(row)
            groups = {values: Listed(of_group) for values, of_group in rows.items()}
            self._grouped[kind, *fields] = groups
        return groups.get(tuple(fields.values()), NOTHING)

    def status_of_key(self, key_id: str) -> str | None:
        """What its grant says of a licence key, which is newer than what its own webhook says."""
        if self._status_of_key is None:
            granted = (row.data.get("license_key") for row in self._grants())
            keys = [key for key in granted if isinstance(key, dict)]
            self._status_of_key = {key["id"]: key["status"] for key in keys}
        return self._status_of_key.get(key_id)

    def _grants(self) -> Sequence[Row]:
        return self._listed["entitlement_grant"].between(None, None)


NOTHING = Listed(())


class Business:
    """A merchant's history, and how it stood at any instant of it."""

    def __init__(self, occurrences: Sequence[Occurrence], business_id: str = "bus_demo") -> None:
        self.business_id = business_id
        if occurrences:
            said = msgspec.json.decode(occurrences[0].body, type=_OfBusiness)
            self.business_id = said.business_id
        self.brand_id = f"brd_{self.business_id.removeprefix('bus_')}"
        self.began_at = occurrences[0].occurred_at if occurrences else NEVER
        self._histories: dict[tuple[str, str], list[Occurrence]] = defaultdict(list)
        self._buyers: dict[str, list[tuple[datetime, bytes]]] = defaultdict(list)
        self._since: dict[str, datetime] = {}
        for occurrence in occurrences:
            self._take(occurrence)

    def _take(self, occurrence: Occurrence) -> None:
        if kind_of(occurrence) not in ID_FIELDS or occurrence.type == NO_ENTRY:
            return
        self._histories[subject(occurrence)].append(occurrence)
        buyer = _decode_buyer(occurrence.body).data
        text = bytes(buyer.customer)
        if not text or text == b"null":
            return
        customer_id = msgspec.json.decode(text, type=_Named).customer_id
        created_at = min(buyer.created_at or occurrence.occurred_at, occurrence.occurred_at)
        self._since[customer_id] = min(self._since.get(customer_id, created_at), created_at)
        said = self._buyers[customer_id]
        if not said or said[-1][1] != text:
            said.append((occurrence.occurred_at, text))

    def at(self, instant: datetime) -> Standing:
        """How it stood at an instant."""
        rows: dict[str, list[Row]] = {kind: [] for kind in ID_FIELDS}
        for (kind, named), history in self._histories.items():
            known = bisect_right(history, instant, key=attrgetter("occurred_at"))
            if known:
                rows[kind].append(_row(named, _decode_envelope(history[known - 1].body).data))
        listed = {kind: Listed(of_kind) for kind, of_kind in rows.items()}
        listed["customer"] = Listed(self._customers(instant))
        listed["balance"] = Listed(_balances(rows["credit"]))
        return Standing(listed)

    def _customers(self, instant: datetime) -> Iterator[Row]:
        for customer_id, said in self._buyers.items():
            known = bisect_right(said, instant, key=lambda told: told[0])
            if known:
                who = msgspec.json.decode(said[known - 1][1], type=dict[str, object])
                yield self._customer(customer_id, self._since[customer_id], who)
        if self._buyers and self.began_at <= instant:
            visitor: dict[str, object] = {"name": "Visitor", "email": "visitor@example.com"}
            yield self._customer(self.visitor_id, self.began_at, visitor)

    @property
    def visitor_id(self) -> str:
        """A customer who has bought nothing, and whom no webhook names."""
        return f"cus_{Random(f'{self.business_id}/visitor').getrandbits(96):024x}"

    def _customer(self, customer_id: str, since: datetime, who: dict[str, object]) -> Row:
        data = {"business_id": self.business_id, "created_at": since, **named_customer(who)}
        data |= {"customer_id": customer_id, "blocked_at": None}
        return _row(customer_id, msgspec.json.encode(data))


def named_customer(who: dict[str, object]) -> dict[str, object]:
    """A customer with the name that the API always has, also where a webhook left it out."""
    if "name" in who:
        return who
    return {**who, "name": str(who["email"]).partition("@")[0].replace("customer", "Customer ")}


def _balances(entries: Iterable[Row]) -> Iterator[Row]:
    """What is left of each customer's credits of each sort, with its amounts as numbers.

    The SDK says strings; a merchant's log of real calls of July 2026 has numbers.
    """
    newest: dict[tuple[str | None, str | None], tuple[Row, datetime]] = {}
    for entry in sorted(entries, key=attrgetter("created_at")):
        account = entry.about.credit_entitlement_id, entry.about.customer_id
        _, since = newest.get(account, (entry, entry.created_at))
        newest[account] = entry, since
    for (entitlement_id, customer_id), (entry, since) in newest.items():
        data = entry.data
        balance = {
            "id": f"bal_{str(customer_id).removeprefix('cus_')}",
            "credit_entitlement_id": entitlement_id,
            "customer_id": customer_id,
            "balance": msgspec.Raw(str(data["balance_after"]).encode()),
            "overage": msgspec.Raw(str(data["overage_after"]).encode()),
            "created_at": since,
            "updated_at": entry.created_at,
            "last_transaction_at": entry.created_at,
        }
        yield _row(f"{entitlement_id}/{customer_id}", msgspec.json.encode(balance))


def _row(named: str, json: bytes | msgspec.Raw) -> Row:
    return Row(named, _decode_about(json), bytes(json))


_decode_about = msgspec.json.Decoder(About).decode
_decode_buyer = msgspec.json.Decoder(_OfBuyer).decode
_decode_envelope = msgspec.json.Decoder(_Envelope).decode
