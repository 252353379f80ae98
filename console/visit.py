"""One look at a page: who looks, at which time, and the one way to what there is to show."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast
from urllib.parse import quote, urlencode

from api.endpoint import answered
from api.http.questions import Past

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence

    from api.http.operations import Operation
    from api.http.questions import Query
    from api.http.scopes import Caller
    from api.services import Services
    from api.withholding import Shown
    from console.lately import Lately
    from console.sessions.sessions import Sessions
    from console.unread import Unread

Answer = TypeVar("Answer")
TIMES: Final = ("as_of", "known_at")
"""The times that every page may be asked with, and every link keeps."""
_PLACE: Final = frozenset({"cursor", "min_position"})
"""What belongs to one answer and is not kept when anything else is asked."""
_OF_NO_FORM: Final = _PLACE | {"limit"}
"""What nobody types."""


class MenuItem(NamedTuple):
    """A page in the navigation: where it is, under which heading, and its name there."""

    path: str
    group: str
    label: str


class Visitor:
    """Who looks: what he may, the token of his forms, and whether he has signed in to it."""

    def __init__(self, caller: Caller, csrf_token: str, *, signed_in: bool) -> None:
        self.caller = caller
        self.csrf_token = csrf_token
        self.signed_in = signed_in


class Visit:
    """What a handler and its template have of the request.

    `asked` and `time`, the past that is asked for, are set once the address is read. `withheld`
    tells which parts of what was answered the visitor may not see, which then are None, whatever
    the type of their field. `lately` keeps answers that cost much; it and `sessions`, who is signed
    in, are the site's, one for all of its visits.
    """

    def __init__(
        self,
        services: Services,
        visitor: Visitor,
        *,
        path: str,
        menu: Sequence[MenuItem],
        lately: Lately,
        sessions: Sessions,
    ) -> None:
        self._services = services
        self.visitor = visitor
        self.path = path
        self.menu = menu
        self.lately = lately
        self.sessions = sessions
        self.asked: list[tuple[str, str]] = []
        self.unread: dict[str, Unread] = {}
        """The fields that were set aside, by name: no link and no answer knows of them."""
        self.typed: Mapping[str, str] = {}
        """What stands in the form of an action that was not done, by the names of its fields."""
        self.time = Past()
        self.position = services.freshness.position
        """Up to where the read models have moved at least, of which the page tells."""
        self.withheld: set[str] = set()
        self.timeless = False
        """Whether something was answered of the present alone, though the past is looked at."""

    @property
    def caller(self) -> Caller:
        """Who looks."""
        return self.visitor.caller

    async def ask(self, operation: Operation[Services, Any, Answer], **values: object) -> Answer:
        """Return what an operation answers to these values, by name, at the time of the visit.

        They are read as those of a request: texts as they are spelled there, or values of their
        type; None is not asked with. An operation that takes no time answers of the present, and
        the page then says so.

        Raises:
            ApiError: whatever the API would answer with.
        """
        return await self.ask_by(operation, self._query(operation, values))

    async def ask_lately(
        self,
        operation: Operation[Services, Any, Answer],
        *,
        age_max_s: float,
        **values: object,
    ) -> Answer:
        """Return what it answers, or answered no longer than that ago to who may see the same.

        Raises:
            ApiError: as for `ask`.
        """
        query = self._query(operation, values)

        async def work() -> Shown[Answer]:
            return await answered(operation, self._services, self.caller, query)

        question = self._question(operation, query)
        shown = await self.lately.ask(question, work, age_max_s=age_max_s)
        return self._seen(operation, shown)

    def answered_lately(
        self, operation: Operation[Services, Any, Answer], **values: object
    ) -> tuple[Answer, float] | None:
        """Return what it answered last to who may see the same, and how many seconds ago.

        Raises:
            ApiError: 403; the visitor may not ask that.
        """
        found: tuple[Shown[Answer], float] | None = self.lately.answer(
            self._question(operation, self._query(operation, values))
        )
        return None if found is None else (self._seen(operation, found[0]), found[1])

    def _seen(self, operation: Operation[Services, Any, Answer], shown: Shown[Answer]) -> Answer:
        self.withheld.update(shown.withheld)
        self.timeless |= any(name not in operation.reader.query for name in self.time.given(*TIMES))
        return shown.answer

    def _question(self, operation: Operation[Services, Any, object], query: Query) -> Hashable:
        return operation.name, self.caller, query

    def _query(
        self, operation: Operation[Services, Any, object], values: Mapping[str, object]
    ) -> Query:
        self.caller.check(operation.scope, of_all=operation.of_all)
        given = {**self._times_for(operation), **values}
        texts = [pair for name, value in given.items() for pair in spelled(name, value)]
        parts = {name: text for name, text in texts if name in operation.reader.path}
        pairs = [(name, text) for name, text in texts if name not in parts]
        query: Query = operation.reader.of(parts, pairs)
        return query

    async def ask_by(self, operation: Operation[Services, Any, Answer], query: Query) -> Answer:
        """Return what an operation answers to a query as it takes it, times included.

        Raises:
            ApiError: as for `ask`.
        """
        shown = await answered(operation, self._services, self.caller, query)
        return self._seen(operation, shown)

    def _times_for(self, operation: Operation[Services, Any, object]) -> Mapping[str, object]:
        asked = self.time.given(*self.time.__struct_fields__)
        return {name: value for name, value in asked.items() if name in operation.reader.query}

    @property
    def place(self) -> str:
        """The path of this page as it is written in addresses; `link` takes it."""
        return quote(self.path)

    @property
    def is_past(self) -> bool:
        """Whether it is the past that is looked at."""
        return self.time.asks_past

    @property
    def at(self) -> datetime:
        """The time that is looked at, which is now where none is asked for."""
        return self.time.as_of or self.time.known_at or datetime.now(UTC)

    def times(self) -> list[tuple[str, str]]:
        """Return the times of the visit as parameters, for the forms that keep them."""
        return [pair for name, at in self.time.given(*TIMES).items() for pair in spelled(name, at)]

    def menu_groups(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return the navigation: the headings in their order, each with paths and labels."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for path, group, label in self.menu:
            groups.setdefault(group, []).append((path, label))
        return list(groups.items())

    def is_at(self, path: str) -> bool:
        """Tell whether the page of a path is looked at, or one below it."""
        return self.path == path or (path != "/" and self.path.startswith(f"{path}/"))

    def without(self, parameter: str) -> str:
        """Return the address of this page without a parameter, by whichever keys it is given."""
        keys = {name for name, _ in self.asked if name.partition("[")[0] == parameter}
        return self.here(**dict.fromkeys(keys))

    @cached_property
    def _times_kept(self) -> str:
        return urlencode(self.times())

    def link(self, path: str, **parameters: object) -> str:
        """Return the address of a page of ours, at the time of this visit.

        A parameter that is None is left out; one that names a time replaces the visit's.
        """
        if not parameters:
            return f"{path}?{self._times_kept}" if self._times_kept else path
        given = {**self.time.given(*TIMES), **parameters}
        pairs = [pair for name, value in given.items() for pair in spelled(name, value)]
        return f"{path}?{urlencode(pairs)}" if pairs else path

    def here(self, **changes: object) -> str:
        """Return the address of this page with other parameters; None takes one away.

        The place in a list is kept only by who gives it.
        """
        left_out = _PLACE | changes.keys()
        pairs = [(name, text) for name, text in self.asked if name not in left_out]
        pairs += [pair for name, value in changes.items() for pair in spelled(name, value)]
        return f"{self.place}?{urlencode(pairs)}" if pairs else self.place

    def download(self, format_: str, but: Collection[str] = ()) -> str:
        """Return the address of what this page lists as a file, without some parameters."""
        left_out = _PLACE | {"limit", *but}
        pairs = [("format", format_), *(pair for pair in self.asked if pair[0] not in left_out)]
        return f"/exports{quote(self.path)}?{urlencode(pairs)}"

    def set_aside(self, wrong: Unread) -> bool:
        """Look at the page without a field that cannot be read; False: it was not asked with."""
        text = self.asked_for(wrong.name)
        if text is None or wrong.name in _OF_NO_FORM | self.unread.keys():
            return False
        self.unread[wrong.name] = wrong._replace(text=text)
        self.asked = [pair for pair in self.asked if pair[0].partition("[")[0] != wrong.name]
        return True

    def typed_into(self, name: str) -> str:
        """Return what stands in a field of a form: what was typed, read or not."""
        unread = self.unread.get(name)
        return unread.text if unread else self.typed.get(name) or self.asked_for(name) or ""

    def asked_for(self, name: str) -> str | None:
        """Return a parameter of the address as it is spelled; texts by key as `key=value`."""
        by_key = f"{name}["
        for given, text in self.asked:
            if given == name:
                return text
            if given.startswith(by_key):
                return f"{given[len(by_key) : -1]}={text}"
        return None

    def kept(self, *but: str) -> list[tuple[str, str]]:
        """Return the parameters that a form on this page sends again, all but these."""
        return [pair for pair in self.asked if pair[0] not in _PLACE | {*but}]


def spelled(name: str, value: object) -> Iterator[tuple[str, str]]:
    """Spell a value as a request's query does, in as many parameters as it takes."""
    if isinstance(value, dict):
        entries = cast("Iterable[tuple[str, object]]", value.items())
        for key, item in entries:
            yield from spelled(f"{name}[{key}]", item)
    elif isinstance(value, bool):
        yield name, str(value).lower()
    elif isinstance(value, datetime):
        yield name, value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    elif value is not None:
        yield name, str(value)
