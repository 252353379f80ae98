"""Sample webhook bodies: our own, one or more for every type, and the official ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeAlias, TypedDict, cast

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

PROJECT = Path(__file__).resolve().parents[1]
OWN = PROJECT / "tests" / "samples"
OFFICIAL = PROJECT.parent / "shared" / "payloads"


class Body(TypedDict):
    """A webhook's body; a sample may carry keys beyond these four."""

    business_id: str
    type: str
    timestamp: str
    data: dict[str, Json]


def samples() -> dict[str, bytes]:
    """Give our own bodies verbatim, by file name without `.json`.

    A name is the event's type, or `type--what-is-odd-about-it`.
    """
    return _bodies(OWN)


def official() -> dict[str, bytes]:
    """Give the official bodies verbatim, by file name without `.json`; none where they are not."""
    return _bodies(OFFICIAL)


def sample(type_: str) -> Body:
    """Decode our ordinary body of a type, anew at each call, so that a test may change it.

    Raises `FileNotFoundError` for a type that has no sample.
    """
    return cast(Body, json.loads((OWN / f"{type_}.json").read_bytes()))


def _bodies(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.json"))}
