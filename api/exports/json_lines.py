"""JSON Lines: each row as the API answers it, on a line of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

_encode: Final = msgspec.json.Encoder().encode_lines


class JsonLines:
    """Writes rows as JSON Lines."""

    def begin(self) -> bytes:
        """Return what comes before the first row: nothing."""
        return b""

    def rows(self, rows: Sequence[msgspec.Struct]) -> bytes:
        """Return rows as lines."""
        return _encode(rows)

    def end(self) -> bytes:
        """Return what comes after the last row: nothing."""
        return b""
