"""How each state of each kind is to be taken: what it has its colour and shape by, everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAIN: Final = "plain"
"""Of a state that no machine knows."""
MEANINGS: Final[Mapping[str, str]] = {
    "good": "as it should be",
    "warning": "to be watched",
    "bad": "gone wrong",
    "rest": "at rest",
    "ended": "over",
    PLAIN: "unknown",
}
"""The tones, each with what it says."""

_WORDS: Final = {
    "good": "active succeeded won delivered recovered open success known started",
    "warning": "processing past_due opened challenged pending recovering abandoned in_progress"
    " review parked unknown",
    "bad": "failed on_hold lost blocked",
    "rest": "paused disabled not_initiated waiting",
    "ended": "cancelled expired accepted revoked exhausted opted_out archived",
}
_OF_STATUS: Final = {status: tone for tone, words in _WORDS.items() for status in words.split()}
_OF_KIND: Final = {
    ("payout", "on_hold"): "warning",
    ("dispute", "accepted"): "bad",
    ("dispute", "expired"): "bad",
    ("dispute", "cancelled"): "good",
}
"""What means something else of one kind than of the others."""


def tone_of(kind: str, status: str | None) -> str:
    """Return the tone of a state, also where it is named as Dodo names it (`dispute_lost`)."""
    word = (status or "").removeprefix(f"{kind}_")
    return _OF_KIND.get((kind, word), _OF_STATUS.get(word, PLAIN))
