"""How each state of each kind is to be taken: what colour and pattern it is drawn in."""

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
    "good": "active succeeded won delivered recovered open success known",
    "warning": "processing past_due opened challenged pending recovering abandoned in_progress"
    " review",
    "bad": "failed on_hold lost",
    "rest": "paused disabled not_initiated",
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
    """Return the tone of a state."""
    return _OF_KIND.get((kind, status or ""), _OF_STATUS.get(status or "", PLAIN))
