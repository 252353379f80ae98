"""Who asks, and that no page of another site asks in a reader's name."""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from api.http.errors import ApiError
from api.http.scopes import OWNER

if TYPE_CHECKING:
    from starlette.types import Scope

    from api.http.scopes import Caller

# A proxy or a tunnel on this machine may add one of these, and need not.
_FORWARDED: Final = frozenset(
    {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"}
)
_OWN_SITE: Final = frozenset({b"same-origin", b"none"})
"""What a browser says of a request by a page of ours, and of one that its user typed."""
_PORTS: Final = {"http": 80, "https": 443}
_CHALLENGE: Final = {"www-authenticate": 'Bearer realm="raphus"'}


class Keys(Protocol):
    """The keys that have been made."""

    async def find(self, key: bytes) -> Caller | None:
        """Return whose key it is; None for what is no key.

        Raises:
            ApiError: 503; it cannot be told now.
        """


class Guard(Protocol):
    """Tells who asks, or raises `ApiError`."""

    async def check(self, scope: Scope, keys: Keys) -> Caller:
        """Return who asks; refuse who may not ask anything.

        Raises:
            ApiError: 401 or 403; 503, it cannot be told now.
        """

    def proof(self, text: bytes) -> bytes | None:
        """Return what only who has the key of everything can tell of a text (HMAC-SHA256).

        None where nobody is asked for a key.
        """


class KeyGuard:
    """Lets pass who shows the key of everything, or one that was made, from wherever it comes."""

    def __init__(self, api_key: str) -> None:
        self._key = api_key.encode()

    async def check(self, scope: Scope, keys: Keys) -> Caller:
        """Return whose key the request shows.

        Raises:
            ApiError: 403 for a page of another site, 401 without a key; 503, the database is
                away, which has all keys but the one of everything.
        """
        check_site(scope)
        given = _values(scope, b"authorization")
        scheme, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        if scheme.lower() != b"bearer":
            message = "send the header Authorization: Bearer, with an API key behind it"
            raise ApiError(401, "unauthorized", message, headers=_CHALLENGE)
        key = token.strip()
        if hmac.compare_digest(key, self._key):
            return OWNER
        caller = await keys.find(key)
        if caller is None:
            message = "that is no API key of this server, or it was revoked"
            raise ApiError(401, "unauthorized", message, headers=_CHALLENGE)
        return caller

    def proof(self, text: bytes) -> bytes:
        return proof_by(self._key, text)


class OpenOnLoopback:
    """Lets pass whatever comes from this machine: for the demo, whose data are made up.

    A proxy on this machine that says nothing of whom it forwards for cannot be told from a
    program that asks for itself, so this protects nothing that is worth it.
    """

    async def check(self, scope: Scope, keys: Keys) -> Caller:
        """Let this machine ask everything.

        Raises:
            ApiError: 403 for a page of another site, and from another machine.
        """
        check_site(scope)
        client = scope.get("client")
        hosts = [f"//{host.decode('latin-1')}" for host in _values(scope, b"host")]
        forwarded = any(name in _FORWARDED for name, _ in scope["headers"])
        # A page can make a name of its own point to 127.0.0.1: by that name we are not called.
        named_locally = len(hosts) <= 1 and all(map(_names_us, hosts))
        if forwarded or client is None or not is_loopback(client[0]) or not named_locally:
            message = "only programs on the server's own machine are answered"
            raise ApiError(403, "loopback_only", message)
        return OWNER

    def proof(self, text: bytes) -> None:
        """Return nothing: there is no key."""


def proof_by(key: bytes, text: bytes) -> bytes:
    """Return what only who has a key can tell of a text (HMAC-SHA256)."""
    return hmac.digest(key, text, "sha256")


def is_loopback(host: str) -> bool:
    """Tell whether a name or an address means this machine, and no other can reach it."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def check_site(scope: Scope) -> None:
    """Refuse what a page of another site has a browser send, even with the key.

    A browser says of each request how the page that makes it and the server are related
    (https://www.w3.org/TR/fetch-metadata/), and it alone knows that through a proxy that changes
    the name. It does not say so to a server without TLS on another machine: there the origin
    must be the host that is asked. What is no browser sends neither.
    """
    sites, origins = _values(scope, b"sec-fetch-site"), _values(scope, b"origin")
    if sites:
        ours = all(site in _OWN_SITE for site in sites)
    else:
        hosts = _values(scope, b"host")
        ours = all(len(hosts) == 1 and _is_of(origin, hosts[0]) for origin in origins)
    if not ours:
        message = "a page of another site asks: only pages of this server may"
        raise ApiError(403, "cross_site", message)


def _is_of(origin: bytes, host: bytes) -> bool:
    """Tell whether an origin (RFC 6454, `null` for none) is a page of this host."""
    try:
        page, server = urlsplit(origin.decode()), urlsplit(f"//{host.decode()}")
        port = _PORTS[page.scheme]
        asking, asked = (page.hostname, page.port or port), (server.hostname, server.port or port)
    except (KeyError, ValueError):
        return False
    return bool(page.hostname) and asking == asked and origin.endswith(page.netloc.encode())


def _names_us(host: str) -> bool:
    try:
        parts = urlsplit(host)
    except ValueError:
        return False
    return is_loopback(parts.hostname or "") and not (parts.path or parts.query or parts.fragment)


def _values(scope: Scope, wanted: bytes) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == wanted]
