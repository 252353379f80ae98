"""The table of keys: what is made, found, noted, listed and revoked."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from api.http.scopes import SCOPES, Caller, Scope
from api.keys.secret import PREFIX_CHARS, hash_of
from domain.delivery import ID_CHARS_MAX
from postgres.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LIVING_MAX: Final = 1_000
"""Every server holds all of them in memory."""
LISTED_MAX: Final = 1_000
"""So many are listed; of those that are revoked the last ones."""
USED_EVERY_S: Final = 60
"""How often it is noted at the most that a key is used."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_LIVING: Final = f"""
    SELECT id, hash, scopes, business_id, name FROM raphus.api_keys WHERE revoked_at IS NULL
    ORDER BY id LIMIT {LIVING_MAX}
"""  # noqa: S608 -- constant
_NOTE: Final = f"""
    UPDATE raphus.api_keys SET last_used_at = clock_timestamp()
    WHERE id = ANY (%(ids)s) AND revoked_at IS NULL AND (
        last_used_at IS NULL
        OR last_used_at <= clock_timestamp() - interval '{USED_EVERY_S} s'
    )
    RETURNING id
"""  # noqa: S608 -- constant
_CREATE: Final = f"""
    INSERT INTO raphus.api_keys (name, prefix, hash, scopes, business_id)
    SELECT %(name)s, %(prefix)s, %(hash)s, %(scopes)s, %(business_id)s
    WHERE (SELECT count(*) FROM raphus.api_keys WHERE revoked_at IS NULL) < {LIVING_MAX}
    ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
    RETURNING name
"""  # noqa: S608 -- constant
_REVOKE: Final = """
    UPDATE raphus.api_keys SET revoked_at = clock_timestamp()
    WHERE name = %(name)s AND revoked_at IS NULL RETURNING name
"""
_LIST: Final = f"""
    SELECT name, prefix, scopes, business_id, created_at, last_used_at, revoked_at
    FROM raphus.api_keys ORDER BY revoked_at DESC NULLS FIRST, id LIMIT {LISTED_MAX}
"""  # noqa: S608 -- constant


class LivingKey(NamedTuple):
    """A key that is not revoked, as servers know it."""

    id: int
    hash: bytes
    caller: Caller


class ListedKey(msgspec.Struct, frozen=True):
    """A key as people see it. `last_used_at` is to the minute; no `business_id`: of all."""

    name: str
    prefix: str
    scopes: list[Scope]
    business_id: str | None
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


def living() -> Statement:
    """Select the keys that are not revoked."""
    return Statement(_LIVING, {})


def read_living(rows: Iterable[Sequence[Any]]) -> list[LivingKey]:
    """Read the rows of `living`."""
    return [
        LivingKey(id_, bytes(hash_), Caller.with_scopes(scopes, business_id, name))
        for id_, hash_, scopes, business_id, name in rows
    ]


def note_use(ids: Iterable[int]) -> Statement:
    """Note that keys are used now, those of which it has not been noted for a while."""
    return Statement(_NOTE, {"ids": list(ids)})


def create(
    key: str, name: str, scopes: Iterable[Scope], business_id: str | None = None
) -> Statement:
    """Keep a new key; no row comes back where the name is taken, or there are too many."""
    given = frozenset(scopes)
    params: dict[str, object] = {
        "name": name,
        "prefix": key[:PREFIX_CHARS],
        "hash": hash_of(key.encode()),
        "scopes": [scope for scope in SCOPES if scope in given],
        "business_id": business_id,
    }
    return Statement(_CREATE, params)


def revoke(name: str) -> Statement:
    """Revoke the key of a name; no row comes back where there is none."""
    return Statement(_REVOKE, {"name": name})


def listed() -> Statement:
    """Select the keys: those that are not revoked in order of age, then the last revoked first."""
    return Statement(_LIST, {})


def read_listed(rows: Iterable[Sequence[Any]]) -> list[ListedKey]:
    """Read the rows of `listed`."""
    return [
        msgspec.convert(dict(zip(ListedKey.__struct_fields__, row, strict=True)), ListedKey)
        for row in rows
    ]


def read_name(value: str) -> str:
    """Read the name of a key.

    Raises:
        ValueError: it is not one.
    """
    if not _NAME.fullmatch(value):
        raise ValueError("must be 1 to 64 letters, digits, dots, hyphens or underscores")
    return value


def read_business(value: str) -> str:
    """Read the id of a business.

    Raises:
        ValueError: none can be like this.
    """
    if not 0 < len(value) <= ID_CHARS_MAX or not value.isprintable():
        raise ValueError(f"must be 1 to {ID_CHARS_MAX} characters, no control characters")
    return value


def read_scope(value: str) -> Scope:
    """Read a scope.

    Raises:
        ValueError: there is none of this name.
    """
    for scope in SCOPES:
        if value == scope:
            return scope
    raise ValueError(f"must be one of {', '.join(SCOPES)}")
