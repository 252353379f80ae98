"""Begins sessions for who gives a key, tells whose a session is, and ends them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Final

from api.http.auth import proof_by
from api.http.scopes import OWNER
from api.keys.secret import hash_of
from console.sessions import table
from console.sessions.table import Kept

if TYPE_CHECKING:
    from api.http.auth import Guard
    from api.http.scopes import Caller
    from api.keys.key_ring import KeyRing
    from api.queries.database import Database

TOKEN_BYTES: Final = 32
"""Of randomness."""
TOKEN_CHARS_MAX: Final = 64
_OF_FORMS: Final = b"raphus console: this form was sent by a page of this session"


class Sessions:
    """The sessions of a server, and of all others on its database.

    A session may what its key may at each moment: it ends within two seconds of the key's being
    revoked, and at once where the key of everything is another one.
    """

    def __init__(self, database: Database, guard: Guard, keys: KeyRing) -> None:
        self._database = database
        self._guard = guard
        self._keys = keys

    async def caller_with(self, key: bytes) -> Caller | None:
        """Return who has a key; None for what is no key.

        Raises:
            ApiError: 503; the database is away.
        """
        if self._is_of_everything(key, secrets.token_bytes(TOKEN_BYTES)):
            return OWNER
        return await self._keys.find(key)

    async def begin(self, key: bytes) -> str:
        """Begin a session of a key that somebody has, and return its token.

        Raises:
            ApiError: 503; the database is away.
        """
        token = secrets.token_urlsafe(TOKEN_BYTES)
        if self._is_of_everything(key, token.encode()):
            kept = Kept(None, self._guard.proof(token.encode()))
        else:
            kept = Kept(hash_of(key), None)
        await self._database.change(table.begin(_hash(token), kept))
        return token

    async def count(self) -> int:
        """Return how many there are, of all servers on the database.

        Raises:
            ApiError: 503; the database is away.
        """
        row = await self._database.row(table.count())
        return int(str(row[0])) if row else 0

    async def caller(self, token: str) -> Caller | None:
        """Return whose session it is; None where it is over, or its key is none any more.

        Raises:
            ApiError: 503; the database is away.
        """
        if len(token) > TOKEN_CHARS_MAX:
            return None
        row = await self._database.row(table.find(_hash(token)))
        if row is None:
            return None
        kept = table.read(row)
        if kept.key_hash is not None:
            return await self._keys.find_hash(kept.key_hash)
        proof = self._guard.proof(token.encode())
        if proof is None or kept.owner_proof is None:
            return None
        return OWNER if hmac.compare_digest(proof, kept.owner_proof) else None

    async def end(self, token: str) -> None:
        """End a session.

        Raises:
            ApiError: 503; the database is away.
        """
        await self._database.change(table.end(_hash(token)))

    def _is_of_everything(self, key: bytes, text: bytes) -> bool:
        proof = self._guard.proof(text)
        return proof is not None and hmac.compare_digest(proof_by(key, text), proof)


def csrf_token(secret: str) -> str:
    """Return the token of the forms of a session, which tells nothing of the session's own."""
    return hmac.new(secret.encode(), _OF_FORMS, hashlib.sha256).hexdigest()


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
