"""Texts that a worker of Windmill would replace are broken, so that they stay texts.

Before a job runs, a worker replaces a string argument that begins with `$var:`, `$jsonvar:`,
`$res:` or `$encrypted:`, and an object `{"$interpolate": [...]}`, at any depth, by what they name,
with the job's rights; beside such a one also `$WM_TOKEN` and every other name in the worker's
environment (windmill-labs/windmill, backend/windmill-worker/src/common.rs,
`transform_json_value`). Its pull request 7255 would have it look inside of strings, too. Buyers
write strings that stand in arguments, so in those none of this may be left.
"""

from __future__ import annotations

import re
from math import isinf
from typing import Final
from unicodedata import normalize

import msgspec

MARK: Final = "-"
"""What is put behind a dollar sign. ASCII and no blank: neither Unicode's normal forms nor
trimming takes it away, and no name of a reference begins with it, so once is enough."""
# `$`, and what becomes one by NFKC.
_DOLLAR: Final = re.compile("[$\ufe69\uff04]")
_SUSPECT: Final = re.compile(rb"\$|\\u|" + "\ufe69|\uff04".encode())
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"')
# What may be a number that no double holds; as may a part of a string.
_VAST: Final = re.compile(rb"[0-9](?:[eE]\+?[0-9]{3}|[0-9]{308})")
_STRING_OR_NUMBER: Final = re.compile(_STRING.pattern + rb"|-?[0-9][0-9.eE+-]*+")
_REFERENCE: Final = re.compile(r"\$(var:|jsonvar:|res:|encrypted:|interpolate|wm_)?")
_NAME: Final = re.compile(r"\$[a-z_][^ ]*+")
_REMEMBERED_MAX: Final = 0x3000


class _Plain(dict[int, str]):
    """Translates a text to what is left of it without accents, case and all but ASCII.

    A character at a time: to normalise a whole text takes the square of its length, where it
    has many accents in a row. A dollar sign stays one, nothing else becomes one, and every blank
    becomes a space.
    """

    def __missing__(self, code: int) -> str:
        folded = normalize("NFKD", chr(code)).casefold()
        plain = " " if folded.isspace() else "".join(char for char in folded if "!" <= char <= "~")
        if code < _REMEMBERED_MAX:
            self[code] = plain
        return plain


_PLAIN: Final = _Plain()
_text: Final = msgspec.json.Decoder(str).decode
_top_level: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class NotAnObjectError(ValueError):
    """What should be a job's arguments is no JSON object."""


def escaped(arguments: bytes) -> dict[str, msgspec.Raw]:
    """Return arguments, a JSON object, by name, with nothing in them that Windmill replaces.

    All but strings and keys stays as it is, to the byte; so do those without a reference. Only a
    number that no double holds, such as 1e400, is null: to the languages of scripts it is none, and
    Windmill's database has an end to numbers, too. Names that begin with `_` are left out: Windmill
    keeps them for itself, and `_ENTRYPOINT_OVERRIDE` would call another function than `main`.

    Raises:
        NotAnObjectError: they are no JSON object.
    """
    try:
        if _SUSPECT.search(arguments):
            arguments = _STRING.sub(_without_references, arguments)
        if _VAST.search(arguments):
            arguments = _STRING_OR_NUMBER.sub(_within_reach, arguments)
        values = _top_level(arguments)
    except (ValueError, RecursionError) as error:
        raise NotAnObjectError("they are no JSON object") from error
    return {
        name: value
        for name, value in values.items()
        if not name.translate(_PLAIN).lstrip().startswith("_")
    }


def escape(text: str) -> str:
    """Break what Windmill would replace in a text, or what other programs could make that of.

    A text that is one word, `$` and a name, may be the name of a variable of the environment; a
    reference is broken wherever it stands. Whether letters are large, wide or accented, and what
    blanks and invisible characters are among them, makes no difference.
    """
    if not _DOLLAR.search(text):
        return text
    plain = text.translate(_PLAIN)
    broken = [match[1] is not None for match in _REFERENCE.finditer(plain.replace(" ", ""))]
    if _NAME.fullmatch(plain.strip()):
        broken[0] = True
    marks = iter(broken)
    return _DOLLAR.sub(lambda dollar: dollar[0] + MARK * next(marks), text)


def _within_reach(token: re.Match[bytes]) -> bytes:
    is_number = not token[0].startswith(b'"')
    return b"null" if is_number and isinf(float(token[0])) else token[0]


def _without_references(string: re.Match[bytes]) -> bytes:
    if not _SUSPECT.search(string[0]):
        return string[0]
    text = _text(string[0])
    safe = escape(text)
    return string[0] if safe == text else msgspec.json.encode(safe)
