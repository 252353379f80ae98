"""What a key is: random text that is shown once, and the hash that is kept of it."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

KEY_BYTES: Final = 32
"""Of randomness; they are written as 43 characters."""
MARK: Final = "raphus_"
"""Begins every key, so that people and programs that look for leaked keys know one."""
PREFIX_CHARS: Final = len(MARK) + 6
"""So much of a key is kept and shown; 220 bits are left to guess."""


def new_key() -> str:
    """Make a key."""
    return MARK + secrets.token_urlsafe(KEY_BYTES)


def hash_of(key: bytes) -> bytes:
    """Return SHA-256 of a key. A slow hash protects what can be guessed, which a key cannot."""
    return hashlib.sha256(key).digest()
