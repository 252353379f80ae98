"""Keys: who may ask, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cli.rendering.tables import show_line, show_table
from cli.rendering.words import moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from api.keys.table import ListedKey

_HEADS: Final = (
    "name", "begins", "scopes", "business", "made (UTC)", "last used (UTC)", "revoked (UTC)"
)  # fmt: skip


def show_keys(console: Console, keys: Sequence[ListedKey]) -> None:
    """Print the keys, those that are revoked last."""
    if not keys:
        show_line(
            console, "There is no key but the one of everything: raphus keys create makes one"
        )
        return
    show_table(console, _HEADS, [_row(key) for key in keys])


def _row(key: ListedKey) -> tuple[str, ...]:
    return (
        key.name,
        f"{key.prefix}…",
        " ".join(key.scopes),
        "all" if key.business_id is None else key.business_id,
        moment(key.created_at),
        moment(key.last_used_at),
        moment(key.revoked_at) if key.revoked_at else "",
    )
