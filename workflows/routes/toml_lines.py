"""Where a route and its keys stand in the text of a TOML file, for messages."""

from __future__ import annotations

import re
from typing import Final

_ROUTE: Final = re.compile(r"""^[ \t]*\[\[[ \t]*["']?route["']?[ \t]*\]\]""", re.MULTILINE)


class Lines:
    """Finds lines by their looks, since the parser does not tell where a value has stood.

    What stands in a text of several lines may mislead it, to a wrong line and no worse.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._headers = [header.start() for header in _ROUTE.finditer(text)]

    def of_route(self, number: int) -> int:
        """Return the line of the n-th route's header, counted from 0."""
        return self._line(self._section(number)[0])

    def of_key(self, number: int, *keys: str) -> int:
        """Return the line of a key of the n-th route: of the first of these keys that is there."""
        start, end = self._section(number)
        for key in keys:
            quoted = re.escape(key)
            form = rf"""(?:^|[\s.{{,\[])(["']?){quoted}\1[ \t]*[=.\]]"""
            if match := re.compile(form, re.MULTILINE).search(self._text, start, end):
                return self._line(match.start(1))
        return self._line(start)

    def of_top(self, key: str) -> int:
        """Return the line of a key that is no route's."""
        match = re.search(rf"""^[ \t\["']*{re.escape(key)}""", self._text, re.MULTILINE)
        return self._line(match.end()) if match else 1

    def _section(self, number: int) -> tuple[int, int]:
        if number >= len(self._headers):  # written in another way, such as route = [{…}]
            return 0, len(self._text)
        ends = [*self._headers[1:], len(self._text)]
        return self._headers[number], ends[number]

    def _line(self, offset: int) -> int:
        return self._text.count("\n", 0, offset) + 1
