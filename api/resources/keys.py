"""The API keys over HTTP: which there are, and when they were last used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from api.http.operations import Operation
from api.http.questions import Query
from api.keys import table
from api.keys.table import ListedKey

if TYPE_CHECKING:
    from api.queries.read_side import ReadSide


class Keys(msgspec.Struct, frozen=True):
    """The keys: those that are not revoked in order of age, then the last revoked first.

    The key of everything is none of them. There are 1,000 at the most.
    """

    items: list[ListedKey]


async def _list(read_side: ReadSide, _query: Query) -> Keys:
    return Keys(table.read_listed(await read_side.database.rows(table.listed())))


LIST_KEYS: Final = Operation["ReadSide", Query, Keys](
    path="/v1/keys",
    name="list_keys",
    summary="List the API keys, with what they may and when they were last used, but never a key"
    " itself.",
    handle=_list,
    takes=Query,
    answers=Keys,
    scope="admin",
    of_all=True,
)
