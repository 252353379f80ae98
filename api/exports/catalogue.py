"""What can be exported: every list and report, under its path behind /v1/."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Generic,
    NamedTuple,
    cast,
    get_args,
    get_origin,
)

import msgspec
from msgspec import Meta
from starlette.routing import compile_path

from api.exports.formats import FORMATS, Format
from api.exports.report_rows import ROWS_OF, Rows
from api.http.errors import ApiError
from api.http.pagination import Page
from api.http.parameters import one_of
from api.http.questions import AnyQuery, Paged, Query
from api.http.reader import Reader
from api.resources.anomalies import LIST_ANOMALIES
from api.resources.credit_entries import LIST_CREDIT_ENTRIES
from api.resources.customers import GET_CUSTOMER_TIMELINE
from api.resources.customers_list import LIST_CUSTOMERS
from api.resources.erasures import LIST_ERASURES
from api.resources.events import LIST_EVENTS
from api.resources.objects import OBJECTS
from api.resources.reconciliations import LIST_FINDINGS, LIST_RECONCILIATIONS
from api.resources.revenue import GET_MRR, LIST_EARNING, LIST_MOVEMENTS
from api.resources.revenue_cohorts import GET_COHORTS
from api.resources.revenue_net import GET_NET, LIST_TAKINGS
from api.resources.revenue_query import Narrowed
from api.resources.revenue_trials import GET_TRIALS, LIST_TRIALS
from api.resources.timelines import LIST_REFUSALS
from api.resources.workflows import LIST_ATTEMPTS, LIST_OUTBOX, LIST_ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from api.http.operations import Operation
    from api.queries.read_side import ReadSide

ROOT: Final = "/v1/"
PAGE_ROWS: Final = 1_000
"""So many rows are asked for, and in memory, at once. What a page of the API has is for people."""
InFormat = Annotated[Format, one_of(FORMATS), Meta(description="What the file is written as.")]


@dataclass(frozen=True)
class Export(Generic[AnyQuery]):
    """A list or a report as a file: the rows that its operation answers, from first to last."""

    operation: Operation[ReadSide, AnyQuery, Any]

    @cached_property
    def name(self) -> str:
        """The path behind /v1/, without the id in it."""
        return re.sub(r"/{\w+(:\w+)?}", "", self.operation.path.removeprefix(ROOT))

    @cached_property
    def rows(self) -> Rows:
        """What its rows are, and how they are taken from an answer."""
        answers = self.operation.answers
        if get_origin(answers) is not Page:
            return ROWS_OF[answers]
        (row,) = get_args(answers)
        return Rows(row, _items)

    @cached_property
    def reader(self) -> Reader[Query]:
        """Reads what it takes: what its operation takes, but for pages, and the format."""
        fields = [
            (field.name, field.type) if field.required else (field.name, field.type, field.default)
            for field in msgspec.structs.fields(self.operation.takes)
            if field.name not in Paged.__struct_fields__
        ]
        takes = msgspec.defstruct(
            f"export_{self.operation.name}",
            [*fields, ("format", InFormat, FORMATS[0])],
            bases=(Query,),
            frozen=True,
            kw_only=True,
        )
        return Reader(cast("type[Query]", takes), self.operation.path)

    @cached_property
    def is_paged(self) -> bool:
        """Whether its operation answers page by page."""
        return "cursor" in self.operation.takes.__struct_fields__

    def asked(self, query: Query) -> Asked:
        """Return what its reader has read, as what its operation is asked with.

        All pages of what is told by a clock are of one instant: of now, where no other is given.

        Raises:
            InvalidParameterError: a time lies in the future.
        """
        values = {name: getattr(query, name) for name in query.__struct_fields__}
        format_: Format = values.pop("format")
        if self.is_paged:
            values["limit"] = PAGE_ROWS
            if issubclass(self.operation.takes, Narrowed) and values["as_of"] is None:
                values["as_of"] = datetime.now(UTC)
        return Asked(self, self.operation.takes(**values), format_)

    def key_of(self, cursor: str) -> object:
        """Return the key that a cursor of its operation stands for."""
        return self.operation.reader.query["cursor"].lex(cursor)


class Asked(NamedTuple):
    """A file that is asked for: of which list, by what its first rows are found, and its format."""

    export: Export[Any]
    query: Query
    format: Format


def _items(page: Page[msgspec.Struct]) -> list[msgspec.Struct]:
    return page.items


_OF_OBJECTS: Final[Iterable[Any]] = chain.from_iterable(
    (one.list, one.timeline) for one in OBJECTS.values()
)
_OPERATIONS: Final[tuple[Operation[ReadSide, Any, Any], ...]] = (
    *_OF_OBJECTS,
    LIST_CREDIT_ENTRIES,
    LIST_CUSTOMERS,
    GET_CUSTOMER_TIMELINE,
    LIST_ANOMALIES,
    LIST_REFUSALS,
    LIST_EVENTS,
    LIST_ERASURES,
    LIST_RECONCILIATIONS,
    LIST_FINDINGS,
    GET_MRR,
    LIST_MOVEMENTS,
    LIST_EARNING,
    GET_COHORTS,
    GET_TRIALS,
    LIST_TRIALS,
    GET_NET,
    LIST_TAKINGS,
    LIST_ROUTES,
    LIST_OUTBOX,
    LIST_ATTEMPTS,
)
EXPORTS: Final = {one.name: one for one in map(Export, _OPERATIONS)}
"""Every one there is, by name."""
_PATHS: Final = [(compile_path(one.operation.path)[0], one) for one in EXPORTS.values()]


def find(path: str, query: bytes) -> Asked:
    """Read which list a path behind /v1/ means, and what is asked of it.

    Raises:
        ApiError: 404, it means none; 400, the query is not as the list takes it.
    """
    for regex, export in _PATHS:
        if match := regex.fullmatch(f"{ROOT}{path}"):
            return export.asked(export.reader.read(match.groupdict(), query))
    raise ApiError(404, "not_found", f"no list or report is at this path: {', '.join(EXPORTS)} are")
