"""What is served: one declaration each, which is protected and documented as it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Literal, TypeVar

from api.http.parameters import Arguments, Declared, position
from api.http.responses import JSON

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from api.http.scopes import Scope


MIN_POSITION: Final = position(
    "min_position",
    "Wait until the read models show the log up to here, 5 s at the most.",
)

NOTHING: Final = Declared()
Needs_contra = TypeVar("Needs_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True)
class Operation(Generic[Needs_contra, Result_co]):
    """One GET, or POST that changes something: its path, what it takes, and who does it.

    Its type arguments are what it is answered from, and what `handle` returns: a struct, of
    which the response is the JSON, or `Content`, which goes out as it is. `answers` is the same
    type as a value. `media_type` is as the document tells it, in short. `may_fail` maps a status
    to what it means here, beyond what goes for all operations. A key needs `scope` to ask it, and
    where it is `of_all`, about the whole instance, must not be bound to one business.
    """

    path: str
    name: str
    summary: str
    handle: Callable[[Needs_contra, Arguments], Awaitable[Result_co]]
    answers: type[Result_co]
    media_type: str = JSON.decode()
    takes: Declared = NOTHING
    may_fail: dict[int, str] | None = None
    secured: bool = True
    method: Literal["GET", "POST"] = "GET"
    scope: Scope = "read"
    of_all: bool = False
