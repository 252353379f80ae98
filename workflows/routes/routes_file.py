"""The file that declares routes, read again when it has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflows.bounded_file import FileError, content_of
from workflows.followed_file import FILE_BYTES_MAX, FollowedFile
from workflows.routes.parser import RoutesError, read_text
from workflows.routes.route import Route, Routes, ShownRoute

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "FILE_BYTES_MAX",
    "Route",
    "Routes",
    "RoutesError",
    "RoutesFile",
    "ShownRoute",
    "read_routes",
]


def read_routes(path: Path) -> Routes:
    """Read a file of routes.

    Raises:
        RoutesError: it cannot be read, or something in it is wrong.
    """
    try:
        return read_text(path, content_of(path, FILE_BYTES_MAX))
    except RoutesError:
        raise
    except FileError as error:
        raise RoutesError(str(error)) from error


class RoutesFile(FollowedFile[Routes]):
    """A file of routes, read again when it changes; may be asked by several threads.

    A file that is not `required` may be missing from the start: there are no routes then, and no
    problem.
    """

    def __init__(self, path: Path, *, required: bool = False, retry_s: float = 1.0) -> None:
        super().__init__(path, read_text, Routes(), required=required, retry_s=retry_s)
