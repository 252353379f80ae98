"""What the client can ask: each question's path, its query and the type of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Generic, TypeAlias, TypedDict, TypeVar, Unpack
from urllib.parse import quote

from api.answers.access import AccessAnswer
from api.answers.events import WholeEvent
from api.answers.named import ANSWERED
from api.answers.state import State
from api.http.pagination import Page
from domain.aggregates.catalogue import KINDS
from domain.customer import Customer
from domain.entity import Entity

T = TypeVar("T")
Thing = TypeVar("Thing", bound=Entity | Customer)
Value: TypeAlias = "str | int | bool | datetime | Mapping[str, str] | None"
_ENTITIES: Final = {kind.entity: f"{name}s" for name, kind in KINDS.items()}
_RESOURCES: Final[Mapping[type, str]] = {
    **_ENTITIES,
    **{answered: _ENTITIES[entity] for entity, answered in ANSWERED.items()},
    Customer: "customers",
}


class Times(TypedDict, total=False):
    """The times that nearly everything can be asked about, each with its offset from UTC.

    `as_of`: as it was true then. `known_at`: from what had been recorded by then. `min_position`:
    not before the server shows the log up to this position, for which it may take 5 s.
    """

    as_of: datetime | None
    known_at: datetime | None
    min_position: int | str | None


class Person(Times, total=False):
    """Who is asked about, by exactly one of these names, and the times."""

    customer_id: str | None
    email: str | None
    external_id: str | None


@dataclass(frozen=True)
class Question(Generic[T]):
    """A GET of a path, by a query, which a server answers with JSON of a type."""

    path: str
    query: Mapping[str, object]
    answer: type[T]

    @property
    def waits(self) -> bool:
        """Whether the server may have to catch up before it answers."""
        return self.query.get("min_position") is not None

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The query as it is sent, without what is None."""
        return tuple(pair for name, value in self.query.items() for pair in _pairs(name, value))

    def at(self, cursor: str) -> Question[T]:
        """Return the question for the page behind a cursor."""
        return replace(self, query={**self.query, "cursor": cursor})


def access(*, product_id: str | None = None, **person: Unpack[Person]) -> Question[AccessAnswer]:
    """Ask whether a person has access to a product, or without one to any."""
    return Question("/v1/access", {"product_id": product_id, **person}, AccessAnswer)


def state(
    *, customer_id: str | None = None, external_id: str | None = None, **times: Unpack[Times]
) -> Question[State]:
    """Ask for all that counts of a person, by Dodo's id or by your own.

    Raises:
        ValueError: not exactly one of them is given.
    """
    if customer_id is not None and external_id is None:
        return Question(f"/v1/customers/{_part(customer_id)}/state", {**times}, State)
    if external_id is not None and customer_id is None:
        return Question(f"/v1/customers/external/{_part(external_id)}/state", {**times}, State)
    raise ValueError("state is asked by exactly one of customer_id and external_id")


def customer(customer_id: str, **times: Unpack[Times]) -> Question[Customer]:
    """Ask who a customer is and what he has, as counts and totals."""
    return get(Customer, customer_id, **times)


def get(of: type[Thing], id_: str, **times: Unpack[Times]) -> Question[Thing]:
    """Ask for one thing, of the kind whose type is given, by Dodo's id.

    Raises:
        TypeError: this is no kind of thing that can be asked for.
    """
    return Question(f"/v1/{_resource(of)}/{_part(id_)}", {**times}, of)


def listed(of: type[Thing], filters: Mapping[str, Value]) -> Question[Page[Thing]]:
    """Ask for a page of the things of a kind, by the parameters that its list takes.

    Raises:
        TypeError: this is no kind of thing that can be asked for.
    """
    page: Any = Page[of]  # type: ignore[valid-type]  # at run time
    return Question(f"/v1/{_resource(of)}", filters, page)


def webhook(webhook_id: str, **times: Unpack[Times]) -> Question[WholeEvent]:
    """Ask for one webhook, with its body to the byte."""
    return Question(f"/v1/events/{_part(webhook_id)}", {**times}, WholeEvent)


def _resource(of: type) -> str:
    if of not in _RESOURCES:
        known = ", ".join(sorted(type_.__name__ for type_ in _RESOURCES))
        raise TypeError(f"{of.__name__} cannot be asked for; what can: {known}")
    return _RESOURCES[of]


def _part(id_: str) -> str:
    """Write an id as one part of a path: of dots alone it would be a step up."""
    return quote(id_, safe="").replace(".", "%2E")


def _pairs(name: str, value: object) -> list[tuple[str, str]]:
    match value:
        case None:
            return []
        case Mapping():
            return [(f"{name}[{key}]", text) for key, text in value.items()]
        case bool():
            return [(name, str(value).lower())]
        case datetime():
            return [(name, value.isoformat())]
        case _:
            return [(name, str(value))]
