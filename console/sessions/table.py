"""The table of sessions: begun, found, ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from postgres.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

LASTS_S: Final = 7 * 24 * 3_600
"""How long a session lasts, whether it is used or not."""
OF_KEY_MAX: Final = 20
"""A key has no more sessions: with another one that which began first ends."""

_BEGIN: Final = f"""
    WITH ended AS (
        DELETE FROM raphus.console_sessions WHERE ends_at <= clock_timestamp() OR token_hash IN (
            SELECT token_hash FROM raphus.console_sessions
            WHERE key_hash IS NOT DISTINCT FROM %(key_hash)s
            ORDER BY began_at DESC OFFSET {OF_KEY_MAX - 1}
        )
    )
    INSERT INTO raphus.console_sessions (token_hash, key_hash, owner_proof, ends_at) VALUES (
        %(token_hash)s, %(key_hash)s, %(owner_proof)s,
        clock_timestamp() + interval '{LASTS_S} s'
    ) RETURNING token_hash
"""  # noqa: S608 -- constants
_FIND: Final = """
    SELECT key_hash, owner_proof FROM raphus.console_sessions
    WHERE token_hash = %(token_hash)s AND ends_at > clock_timestamp()
"""
_COUNT: Final = "SELECT count(*) FROM raphus.console_sessions WHERE ends_at > clock_timestamp()"
_END: Final = """
    DELETE FROM raphus.console_sessions WHERE token_hash = %(token_hash)s RETURNING token_hash
"""


class Kept(NamedTuple):
    """Whose a session is: the hash of a key that was made, or what proves the key of everything."""

    key_hash: bytes | None
    owner_proof: bytes | None


def begin(token_hash: bytes, kept: Kept) -> Statement:
    """Begin a session; those that are over are deleted, and the first of too many."""
    return Statement(_BEGIN, {"token_hash": token_hash, **kept._asdict()})


def find(token_hash: bytes) -> Statement:
    """Select a session that is not over."""
    return Statement(_FIND, {"token_hash": token_hash})


def read(row: Sequence[Any]) -> Kept:
    """Read a row of `find`."""
    return Kept(*(None if value is None else bytes(value) for value in row))


def count() -> Statement:
    """Count the sessions that are not over."""
    return Statement(_COUNT, {})


def end(token_hash: bytes) -> Statement:
    """End a session; no row comes back where there is none."""
    return Statement(_END, {"token_hash": token_hash})
