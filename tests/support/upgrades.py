"""A release that understands fewer types of webhooks than this one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import mock

from domain.aggregates import routing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LATER = sorted(
    type_
    for type_ in routing.types_taken()
    if type_.startswith(("entitlement_grant.", "credit.", "dunning.", "abandoned_", "payout."))
    and type_ != "payout.not_initiated"
)


@contextmanager
def unknown(types: Sequence[str]) -> Iterator[None]:
    """Let no aggregate take these types, as before the release that understands them."""
    taken = {type_: to for type_, to in routing._TAKEN.items() if type_ not in types}
    with mock.patch.object(routing, "_TAKEN", taken):
        yield
