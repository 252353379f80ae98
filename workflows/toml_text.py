"""TOML as it stands in a merchant's file: decoded, parsed, or told where it is wrong."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class TextError(Exception):
    """A text is no TOML; the message says why, `line` where."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def decoded(content: bytes) -> str:
    """Decode the content of a file.

    Raises:
        TextError: it is not text in UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TextError(line, "not text in UTF-8") from None


def parsed(text: str) -> dict[str, Any]:
    """Parse a text.

    Raises:
        TextError: it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise TextError(1, "nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        last = text.rstrip().count("\n") + 1
        line = int(place[1]) if place and place[1] else last
        raise TextError(line, f"not TOML: {_PLACE.sub('', str(error))}") from None
    except ValueError:
        raise TextError(1, "some number in it has too many digits") from None
