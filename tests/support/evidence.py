"""What must hold of a database and a log once the programs have ended."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from tests.support.log import broken_links, lines, positions
from tests.support.projected import empty_tables, forget, position, project, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.support.samples import Json
    from tests.support.sender import Acknowledgement, Webhook

_WORD: Final = re.compile(r"[a-z_.]+")
"""What Dodo calls things, such as a type or a status: no secret."""
PRIVATE_CHARS_MIN: Final = 6


def check_log(
    conninfo: str, sent: Iterable[Webhook], acknowledged: Iterable[Acknowledgement]
) -> None:
    """Check that all that was acknowledged is there once, where the answers said, and no more.

    What was sent and never acknowledged may be there once, or not.
    """
    stored = positions(conninfo)
    assert stored.keys() <= set(sent)
    first: set[Webhook] = set()
    for webhook, place, duplicate in acknowledged:
        assert stored[webhook] == place
        assert duplicate or webhook not in first, "it was new twice"
        if not duplicate:
            first.add(webhook)
    assert broken_links(lines(conninfo)) == []


def check_read_models(conninfo: str) -> None:
    """Check that the read models are at the log's end, and what a replay from nothing gives."""
    assert position(conninfo) == len(positions(conninfo))
    followed = shown(conninfo)
    assert not empty_tables(followed)
    forget(conninfo)
    project(conninfo)
    assert shown(conninfo) == followed


def quoted(said: str, bodies: Iterable[bytes]) -> set[str]:
    """Return what a text quotes of bodies: each value that is no word of Dodo's own."""
    private = {
        value
        for body in bodies
        for value in _texts(json.loads(body))
        if len(value) >= PRIVATE_CHARS_MIN and not _WORD.fullmatch(value)
    }
    return {value for value in private if value in said}


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
