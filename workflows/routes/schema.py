"""The keys that a route may have, each with how its value is read.

A reader raises ValueError with what the value must be; who reads the file adds where it stands.
"""

from __future__ import annotations

import math
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from domain.state_machine import Verdict
from workflows.routes.conditions import read_glob
from workflows.targets.catalogue import KINDS
from workflows.transforms.built_in import TRANSFORMATIONS
from workflows.transforms.custom_code import FORMS, names_own_code, read_own_code

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from workflows.routes.conditions import Glob
    from workflows.transforms.custom_code import OwnCode

GLOBS_MAX: Final = 50
CONDITIONS_MAX: Final = 50
FIXED_BYTES_MAX: Final = 64 * 1024
"""Of a route's fixed arguments, as JSON."""
NO_VERDICT: Final = "none"
"""Of deliveries of which no state machine is asked."""
VERDICTS: Final = (*(verdict.value for verdict in Verdict), NO_VERDICT)
VERDICTS_BY_DEFAULT: Final = tuple(verdict for verdict in VERDICTS if verdict != Verdict.REFUSED)
REQUIRED: Final = ("name", "on")
WHERE: Final = "where"
_NAME: Final = re.compile("[a-z0-9][a-z0-9_-]{0,62}")


def readers(folder: Path) -> Mapping[str, Callable[[object], Any]]:
    """Return the readers of all keys but `where`; files are relative to a folder."""
    return {
        "name": _name,
        "on": _globs,
        **{key: read for kind in KINDS for key, read in kind.keys(folder).items()},
        **{key: read for kind in KINDS for key, read in kind.details(folder).items()},
        "transformation": partial(_transformation, folder),
        "arguments": _arguments,
        "enabled": _enabled,
        "verdicts": _verdicts,
    }


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(
            "must be 1 to 63 lower-case letters, digits, - and _, of which the first is a letter"
            " or a digit"
        )
    return value


def _globs(value: object) -> tuple[Glob, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= GLOBS_MAX:
        raise ValueError(f'must list 1 to {GLOBS_MAX} types, such as ["dispute.*"]')
    return tuple(map(read_glob, value))


def _transformation(folder: Path, value: object) -> tuple[str, OwnCode | None]:
    if isinstance(value, str) and value in TRANSFORMATIONS:
        return value, None
    if isinstance(value, str) and names_own_code(value):
        return value, read_own_code(value, folder)
    raise ValueError(f"must be one of {', '.join(TRANSFORMATIONS)}, or {FORMS}")


def _arguments(value: object) -> dict[str, object]:
    if not isinstance(value, dict) or not _is_json(value):
        raise ValueError(
            "must be a table of text, numbers, true, false, lists and tables, such as"
            ' { channel = "#disputes" }'
        )
    size_bytes = len(msgspec.json.encode(value))
    if size_bytes > FIXED_BYTES_MAX:
        raise ValueError(f"are {size_bytes} bytes of JSON; at most {FIXED_BYTES_MAX} may be")
    return value


def _is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_json, value.values()))
    if isinstance(value, list):
        return all(map(_is_json, value))
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _enabled(value: object) -> bool:
    if value is not True and value is not False:
        raise ValueError("must be true or false")
    return value


def _verdicts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or any(word not in VERDICTS for word in value):
        raise ValueError(f"must list one or more of {', '.join(VERDICTS)}")
    return tuple(dict.fromkeys(value))
