"""What is served: one declaration each, which is protected and documented as it says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from api.http.questions import AnyQuery
from api.http.reader import Reader
from api.http.responses import JSON

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from api.http.scopes import Scope

Needs_contra = TypeVar("Needs_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True)
class Operation(Generic[Needs_contra, AnyQuery, Result_co]):
    """One GET, or POST or DELETE that changes something: its path, what it takes, and who does it.

    Its type arguments are what it is answered from, what it takes, and what `handle` returns: a
    struct, of which the response is the JSON, or `Content`, which goes out as it is. `takes` and
    `answers` are the same types as values; the fields that `path` names are its parts.
    `media_types` are as the document tells them, in short. `may_fail` maps a status to what it
    means here, beyond what goes for all operations. A key needs `scope` to ask it, and where it is
    `of_all`, about the whole instance, must not be bound to one business.
    """

    path: str
    name: str
    summary: str
    handle: Callable[[Needs_contra, AnyQuery], Awaitable[Result_co]]
    takes: type[AnyQuery]
    answers: type[Result_co]
    media_types: tuple[str, ...] = (JSON.decode(),)
    may_fail: dict[int, str] | None = None
    secured: bool = True
    method: Literal["GET", "POST", "DELETE"] = "GET"
    scope: Scope = "read"
    of_all: bool = False

    @cached_property
    def reader(self) -> Reader[AnyQuery]:
        """Reads what it takes."""
        return Reader(self.takes, self.path)
