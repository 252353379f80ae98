"""The tables of an export of everything, each with its columns and what tells its rows apart."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_type_hints

import msgspec

from domain.credits.entry import CreditEntry
from domain.customer import Customer
from domain.periods import Period
from domain.state_machine import Verdict
from domain.timeline import Change
from projections.read_models.catalogue import LISTINGS, READ_MODELS
from projections.read_models.credit_accounts import CREDIT_ENTRIES
from projections.read_models.periods import PERIODS
from projections.read_models.timeline import TIMELINE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from projections.listing import Listing
    from projections.read_model import ReadModel

ADDED: Final = {"_run": int, "_position": int, "_deleted": bool}
"""What every row says besides: the run that has written it, up to which position of the log that
shows it, and whether it only tells that there is no such row any more."""


class Fact(msgspec.Struct, frozen=True):
    """A line of a thing's timeline: what a webhook says happened, and the verdict."""

    business_id: str
    kind: str
    id: str
    webhook_id: str
    type: str
    occurred_at: datetime | None
    recorded_at: datetime
    position: int
    verdict: Verdict | None
    reason: str | None
    gap: bool
    from_status: str | None
    to_status: str | None
    changes: tuple[Change, ...]


class LoggedEvent(msgspec.Struct, frozen=True):
    """An event of the log, with its body as it came, or as the erasure `erased_by` has left it."""

    position: int
    webhook_id: str
    type: str
    aggregate_id: str
    recorded_at: datetime
    webhook_timestamp: str
    body: str
    erased_by: str | None


class ErasedCustomer(msgspec.Struct, frozen=True):
    """A customer who was forgotten: what names him in files of before `position` is to go."""

    position: int
    webhook_id: str
    business_id: str
    customer_id: str
    erased_at: datetime
    events: int


class Table(NamedTuple):
    """A table: its name, its rows, and which of their columns tell one from another."""

    name: str
    row: type[msgspec.Struct]
    key: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that say something, in the order of the row's."""
        return self.row.__struct_fields__[len(ADDED) :]


class Compared(NamedTuple):
    """A table of which all rows are compared with those that were written before.

    `source` stands behind FROM, where it gives the table's columns as those of `q`. Its rows are
    found by the first column of the key.
    """

    table: Table
    source: str


def _row_of(struct: type[msgspec.Struct], **types: Any) -> type[msgspec.Struct]:  # noqa: ANN401
    """Return the rows that a struct becomes: all may be null, for of a deleted one the key is left.

    Fields may have other types, and there may be more of them, in front.
    """
    told = {**get_type_hints(struct), **types}
    names = dict.fromkeys(
        (*types.keys() - set(struct.__struct_fields__), *struct.__struct_fields__)
    )
    fields = [(name, told[name] | None, None) for name in names]
    return msgspec.defstruct(struct.__name__, [*ADDED.items(), *fields], frozen=True)


def _of_objects(listing: Listing[Any], model: ReadModel) -> Compared:
    names = ", ".join(("first_position", *listing.entity.__struct_fields__))
    table = Table(listing.resource, _row_of(listing.entity), model.key)
    return Compared(table, f"({listing.select}) AS q ({names})")


def _of_rows(model: ReadModel, row: type[msgspec.Struct]) -> Compared:
    return Compared(Table(model.table, row, model.key), f"{model.table} AS q")


_MODEL_OF: Final = {model.table: model for model in READ_MODELS}
COMPARED: Final[Sequence[Compared]] = (
    *(_of_objects(listing, _MODEL_OF[resource]) for resource, listing in LISTINGS.items()),
    Compared(
        Table("customers", _row_of(Customer), ("customer_id", "business_id")), "customers AS q"
    ),
    _of_rows(CREDIT_ENTRIES, _row_of(CreditEntry, stream_id=str, position=int)),
    _of_rows(TIMELINE, _row_of(Fact)),
    _of_rows(PERIODS, _row_of(Period, stream_id=str)),
)
"""What follows from the log, in the order in which it is written."""
EVENTS: Final = Table("events", _row_of(LoggedEvent), ("position",))
ERASURES: Final = Table("erasures", _row_of(ErasedCustomer), ("position",))
