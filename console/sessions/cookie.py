"""The cookie that holds a session's token: no script reads it, and no other site has it sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from console.sessions.table import LASTS_S

if TYPE_CHECKING:
    from starlette.types import Scope

NAME: Final = "raphus_session"
BEHIND_TLS: Final = f"__Host-{NAME}"
"""A name that a browser takes over TLS alone, and from this very host."""
_ATTRIBUTES: Final = "Path=/; HttpOnly; SameSite=Strict"


def token_of(scope: Scope) -> str | None:
    """Return the token that a request brings, behind TLS rather than not."""
    given: dict[str, str] = {}
    for header, value in scope["headers"]:
        if header == b"cookie":
            for part in value.decode("latin-1").split(";"):
                name, equals, text = part.strip().partition("=")
                if equals:
                    given.setdefault(name, text)
    return given.get(BEHIND_TLS) or given.get(NAME) or None


def kept(token: str, scope: Scope) -> str:
    """Return the header that has a browser keep a token, over TLS only where it came over TLS.

    What a proxy has made of the request is not asked: the browser tells where its page is from.
    """
    return _header(token, LASTS_S, scope)


def forgotten(scope: Scope) -> str:
    """Return the header that has a browser forget it."""
    return _header("", 0, scope)


def _header(value: str, lasts_s: int, scope: Scope) -> str:
    over_tls = any(
        name == b"origin" and origin.startswith(b"https://") for name, origin in scope["headers"]
    )
    name, secure = (BEHIND_TLS, "; Secure") if over_tls else (NAME, "")
    return f"{name}={value}; Max-Age={lasts_s}; {_ATTRIBUTES}{secure}"
