"""What who asks may ask: the scopes of a key, and the business that it is bound to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from api.http.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Scope: TypeAlias = Literal["access", "read", "personal", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
MEANINGS: Final[Mapping[Scope, str]] = {
    "access": "asks `/v1/access` and nothing else",
    "read": "asks all that changes nothing; what names a person is withheld",
    "personal": "as `read`, with what names a person",
    "admin": "forgets, replays, retries, verifies and rebuilds; reads the list of keys alone",
}
_INCLUDED: Final[Mapping[Scope, frozenset[Scope]]] = {
    "access": frozenset({"access"}),
    "read": frozenset({"access", "read"}),
    "personal": frozenset({"access", "read", "personal"}),
    "admin": frozenset({"admin"}),
}


@dataclass(frozen=True)
class Caller:
    """Who asks: what he may, with what that includes, and of which business (None: of all).

    `name` is that of his key, for what is kept of who did something; None: the key of everything.
    """

    may: frozenset[Scope]
    business_id: str | None = None
    name: str | None = field(default=None, compare=False)

    @classmethod
    def with_scopes(
        cls, scopes: Iterable[Scope], business_id: str | None = None, name: str | None = None
    ) -> Caller:
        """Return who has a key with these scopes."""
        included = (_INCLUDED[scope] for scope in scopes)
        return cls(frozenset[Scope]().union(*included), business_id, name)

    @property
    def sees_persons(self) -> bool:
        """Whether what names a person is told."""
        return "personal" in self.may

    @property
    def sees_all(self) -> bool:
        """Whether what is about the whole instance is told."""
        return "read" in self.may and self.business_id is None

    def check(self, scope: Scope, *, of_all: bool) -> None:
        """Refuse what is beyond the key.

        Raises:
            ApiError: 403; it tells what is needed.
        """
        if scope not in self.may:
            needed: list[str] = [name for name in SCOPES if scope in _INCLUDED[name]]
            message = f"this key may not ask that: it needs the scope {' or '.join(needed)}"
            challenge = f'Bearer realm="raphus", error="insufficient_scope", scope="{scope}"'
            raise ApiError(
                403,
                "insufficient_scope",
                message,
                {"needed": needed},
                {"www-authenticate": challenge},
            )
        if of_all and self.business_id is not None:
            message = "this key is bound to one business, and that is about all: it needs another"
            raise ApiError(403, "bound_to_business", message)


EVERYBODY: Final = Caller(frozenset())
"""Who shows no key: what is told to everybody is told to him."""
OWNER: Final = Caller.with_scopes(SCOPES)
"""Who has the key of everything."""
