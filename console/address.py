"""What an address asks with: as forms send it, and as it is then kept and handed on.

A form sends the fields that are left empty, times without their zone, and a pair of metadata as one
text. What is kept is what the API takes, so that the same query under `/v1` gives the same as JSON.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from api.http.reader import Field, Pairs

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_WITHOUT_ZONE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?")


def completed(pairs: Iterable[tuple[str, str]], fields: Mapping[str, Field]) -> Pairs:
    """Return pairs as the API takes them: nothing empty, times with their zone, texts by key.

    What it returns stays as it is when it is completed again.
    """
    made = (_completed(name, text.strip(), fields.get(name)) for name, text in pairs)
    return [(name, text) for name, text in made if text]


def _completed(name: str, text: str, field: Field | None) -> tuple[str, str]:
    if field is None:
        return name, text
    if field.is_mapping:
        key, equals, value = text.partition("=")
        return (f"{name}[{key.strip()}]", value.strip()) if equals else (name, text)
    if field.schema.get("format") == "date-time":
        return name, _with_zone(text)
    return name, text


def _with_zone(text: str) -> str:
    """Complete a day, or a time without its zone: people read and write UTC here."""
    if _DAY.fullmatch(text):
        return f"{text}T00:00:00Z"
    match = _WITHOUT_ZONE.fullmatch(text)
    if match is None:
        return text
    return f"{text}Z" if match[1] else f"{text}:00Z"
