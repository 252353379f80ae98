"""The merchant's own transformations: how a route names them, and where they are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, get_args

if TYPE_CHECKING:
    from pathlib import Path

Language: TypeAlias = Literal["python", "javascript"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
HANDLER: Final = "handler"
"""The function that Dodo's dashboard calls; a JavaScript transformation declares it."""
FORMS: Final = '"python:file.py:function" or "javascript:file.js"'


class OwnCode(NamedTuple):
    """A function in a file of the merchant's."""

    language: Language
    path: Path
    function: str


def names_own_code(transformation: str) -> bool:
    """Tell whether a transformation is meant to be the merchant's own."""
    return transformation.partition(":")[0] in LANGUAGES


def read_own_code(transformation: str, folder: Path) -> OwnCode:
    """Read `python:file.py:function` or `javascript:file.js`; files are relative to a folder.

    Raises:
        ValueError: it is written otherwise, or there is no such file.
    """
    language, _, rest = transformation.partition(":")
    file, function = rest, HANDLER
    if language == "python":
        file, _, function = rest.rpartition(":")
        if not function.isidentifier():
            raise ValueError('must name a file and a function: "python:file.py:function"')
    if not file or "\0" in file:
        raise ValueError(f"must name a file: {FORMS}")
    path = folder.absolute() / file
    if not path.is_file():
        raise ValueError(f"names {file!r}: there is no such file beside the file of the routes")
    return OwnCode("python" if language == "python" else "javascript", path, function)
