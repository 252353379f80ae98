"""What happened to somebody, told anew: of other things, and until now."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from simulator.merchant import Occurrence

_ID: Final = re.compile(r"\b(?!pdt_)([a-z]{2,8}_)([0-9A-Za-z]{16,})\b")
"""Of whatever has one of its own; products stay, for a shop has them already."""
_TIME: Final = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")


def retold(told: Sequence[Occurrence], at: datetime, salt: str) -> list[Occurrence]:
    """Return occurrences with other ids, which follow from a salt, so that the last is at `at`."""
    by = at - told[-1].occurred_at
    return [
        msgspec.structs.replace(
            one,
            webhook_id=_renamed(salt, one.webhook_id),
            occurred_at=one.occurred_at + by,
            body=_moved(by, _renamed(salt, one.body.decode())).encode(),
        )
        for one in told
    ]


def _renamed(salt: str, text: str) -> str:
    return _ID.sub(partial(_another, salt), text)


def _another(salt: str, found: re.Match[str]) -> str:
    digits = hashlib.sha256(f"{salt} {found[0]}".encode()).hexdigest()
    return found[1] + digits[: len(found[2])]


def _moved(by: timedelta, text: str) -> str:
    return _TIME.sub(lambda found: _at(datetime.fromisoformat(found[0]) + by), text)


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
