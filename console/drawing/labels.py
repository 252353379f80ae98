"""What is written on a drawing: cut to a length, with all of it where somebody asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from domain.entity import spoken

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
TITLE_CHARS_MAX: Final = 200


class Label(NamedTuple):
    """A text as it is drawn, and the whole of it, which is longer where the text was cut."""

    text: str
    whole: str


def label(text: str, chars_max: int) -> Label:
    """Cut a text, of which all spaces and line ends count as one space."""
    whole = " ".join(text.split())
    cut = len(whole) > chars_max
    shown = f"{whole[: chars_max - 1].rstrip()}…" if cut else whole
    return Label(shown, whole if len(whole) <= TITLE_CHARS_MAX else f"{whole[:TITLE_CHARS_MAX]}…")


def worded(state: str | None) -> str:
    """Write a state; what has none is unknown."""
    return spoken(state) if state else "unknown"


def day(at: date) -> str:
    """Write a date, or that of an instant in UTC."""
    return f"{at:%Y-%m-%d}"


def minute(at: datetime) -> str:
    """Write an instant in UTC, to the minute."""
    return f"{at:%Y-%m-%d %H:%M}"


def counted(number: int, one: str, many: str = "") -> str:
    """Write how many there are of something."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def listed(words: Sequence[str], words_max: int) -> str:
    """Write words one after the other, and how many more there are."""
    more = len(words) - words_max
    shown = ", ".join(words[:words_max])
    return f"{shown} and {more} more" if more > 0 else shown
