"""Exports over HTTP: each list and report, under /v1/exports/ and its own path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta

from api.endpoint import Endpoint
from api.exports.catalogue import EXPORTS, InFormat, find
from api.exports.formats import FORMATS, MEDIA_TYPES
from api.exports.sending import Exchange, send_export
from api.http.operations import Operation
from api.http.parameters import text
from api.http.questions import Query
from api.http.responses import Content

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from api.services import Services

_PATH_CHARS_MAX: Final = 300
_EXAMPLES: Final = [
    name
    for name, one in EXPORTS.items()
    # What is about all, a key of one business may not ask.
    if "{" not in one.operation.path and not one.operation.of_all
]


class ExportQuery(Query, frozen=True, kw_only=True):
    """Asks for a list or a report as a file."""

    list: Annotated[
        str,
        text(_PATH_CHARS_MAX),
        Meta(
            description="The path of a list or a report behind /v1/, such as subscriptions,"
            " subscriptions/sub_1/timeline or revenue/mrr.",
            examples=_EXAMPLES,
        ),
    ]
    format: InFormat = FORMATS[0]


class ExportEndpoint(Endpoint):
    """Serves every export (ASGI)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send one file."""
        caller = await self._caller(scope)
        asked = find(scope["path_params"]["list"], scope["query_string"])
        await send_export(self._services, caller, asked, Exchange(scope, receive, send))


async def _streamed(_services: Services, _query: ExportQuery) -> Content:
    """Say that a file is no answer that is made as a whole: `ExportEndpoint` sends it."""
    raise NotImplementedError


EXPORT: Final = Operation["Services", ExportQuery, Content](
    path="/v1/exports/{list:path}",
    name="export",
    summary="Get a list or a report whole, as a file, with what it can be asked by itself: all"
    " parameters of the list's own but `limit` and `cursor`. Everything is of one moment; a"
    " response without its last chunk is not whole.",
    handle=_streamed,
    takes=ExportQuery,
    answers=Content,
    media_types=tuple(MEDIA_TYPES[one].partition(";")[0] for one in FORMATS),
    may_fail={
        404: "There is no list at this path, or not what it would be about.",
        501: "The server cannot write this format: it has no pyarrow.",
    },
)
