"""Shared: questions to Raphus's HTTP API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

from f.raphus.given import variable
from f.raphus.web import fetched

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_ITEMS = 100
PAGES_MAX = 1_000


class Counted(NamedTuple):
    """How many there are; only a part of them was counted where it is not `whole`."""

    number: int
    whole: bool

    def __str__(self) -> str:
        return f"{self.number}" if self.whole else f"more than {self.number}"


def ask(raphus_url: str, raphus_api_key: str, path: str, **query: str | int) -> Any:  # noqa: ANN401 -- JSON
    """Ask, and ask again while Raphus says "not yet" or "not now" (503).

    Raises:
        RefusedError: it answered with another error, or went on saying that.
    """
    return fetched(_url(raphus_url, path, query), variable(raphus_api_key))


def now(
    raphus_url: str,
    raphus_api_key: str,
    kind: str,
    id: str,  # noqa: A002 -- so it is called in what Raphus sends
    position: str | int = 0,
) -> dict[str, Any]:
    """Ask for a thing as it is now, by its kind and id.

    Raises:
        RefusedError: as `ask`.
    """
    known: dict[str, Any] = ask(
        raphus_url, raphus_api_key, f"/v1/{kind}s/{quote(id, safe='')}", min_position=position
    )
    return known


def table(raphus_url: str, raphus_api_key: str, path: str, **query: str | int) -> str:
    """Ask for an export of a list as CSV.

    Raises:
        RefusedError: as `ask`.
    """
    url = _url(raphus_url, f"/v1/exports/{path}", {"format": "csv", **query})
    told: str = fetched(url, variable(raphus_api_key), text=True)
    return told


def _url(raphus_url: str, path: str, query: dict[str, str | int]) -> str:
    return f"{variable(raphus_url).rstrip('/')}{path}?{urlencode(query)}"


def pages(
    raphus_url: str, raphus_api_key: str, path: str, **query: str
) -> Iterator[dict[str, Any]]:
    """Give a list page by page, `PAGES_MAX` at the most; the last one has no `next`."""
    cursor = ""
    for _ in range(PAGES_MAX):
        more = {"cursor": cursor} if cursor else {}
        page = ask(raphus_url, raphus_api_key, path, limit=PAGE_ITEMS, **query, **more)
        yield page
        cursor = page["next"]
        if cursor is None:
            return


def count(raphus_url: str, raphus_api_key: str, path: str, **query: str) -> Counted:
    """Count the items of a list, page by page."""
    number, whole = 0, True
    for page in pages(raphus_url, raphus_api_key, path, **query):
        number, whole = number + len(page["items"]), page["next"] is None
    return Counted(number, whole)
