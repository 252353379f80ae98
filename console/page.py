"""What a page is: one declaration each, as an operation of the API has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar

from api.http.questions import Query

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from api.http.responses import Content, Stream
    from api.http.scopes import Scope
    from console.visit import Visit

AnyQuery = TypeVar("AnyQuery", bound=Query)


@dataclass(frozen=True)
class View:
    """What is seen: a template, the title of the page, and what the template shows."""

    template: str
    title: str
    data: Mapping[str, object] = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Redirect(NamedTuple):
    """Another page is to be looked at; its address is one of this server, as `link` makes them.

    `cookie` is the header by which a browser keeps or forgets one.
    """

    address: str
    cookie: str | None = None


Seen: TypeAlias = "View | Redirect | Content | Stream"


class Menu(NamedTuple):
    """Where a page stands in the navigation: under which heading, by which name."""

    group: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Page(Generic[AnyQuery]):
    """One page: its path, what it takes, and who answers.

    The fields of `takes` that `path` names are its parts, the others the query of its address, all
    read as an operation reads them. Every page may also be asked with `as_of` and `known_at`: what
    its handler asks passes them on, so that `takes` has them only where the handler itself looks
    at them. A visitor needs `scope` to see it, and where it is `of_all`, about the whole instance,
    must not be bound to one business.
    """

    path: str
    takes: type[AnyQuery]
    handle: Callable[[Visit, AnyQuery], Awaitable[Seen]]
    menu: Menu | None = None
    scope: Scope = "read"
    of_all: bool = False


@dataclass(frozen=True, kw_only=True)
class Action(Generic[AnyQuery]):
    """What a form (POST) changes: its path, its fields, and who does it.

    `takes` has the parts of `path` and the fields of the form, read as a page's query is. Nothing
    is done unless the form has the token of the visitor's session, which `csrf.html` puts there.
    Where a field cannot be read, the page of the `form` is shown again, with what was typed.
    """

    path: str
    takes: type[AnyQuery]
    handle: Callable[[Visit, AnyQuery], Awaitable[Seen]]
    form: AnyPage
    scope: Scope = "admin"
    of_all: bool = False


AnyPage: TypeAlias = "Page[Any]"
