"""How many items a list has, which Dodo does not tell: found by looking where it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dodo.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dodo.client import Page

EXACT_PAGES: Final = 8
"""The end is looked for until it is known to an eighth: more requests would tell little."""
_FIRST_LOOK: Final = 4


def estimated(first_items: int, size: int, page: Callable[[int], Page]) -> int:
    """Return about how many items a list has, by its first page's items and some later pages.

    It takes no request where the first page is not full, else about as many as the number of pages
    has binary digits.
    """
    if first_items < size:
        return first_items
    there, gone = 0, 0
    number = _FIRST_LOOK
    while not gone:
        items = _items(page, number)
        if 0 < items < size:
            return number * size + items
        there, gone = (number, 0) if items else (there, number)
        number *= 2
    while gone - there > 1 + there // EXACT_PAGES:
        middle = (there + gone) // 2
        items = _items(page, middle)
        if 0 < items < size:
            return middle * size + items
        there, gone = (middle, gone) if items else (there, middle)
    return (there + gone + 1) // 2 * size


def _items(page: Callable[[int], Page], number: int) -> int:
    """Return how many items a page has; none where Dodo does not go so far."""
    try:
        return len(page(number).items)
    except RefusedError:
        return 0
