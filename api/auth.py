"""Auth: who may read. With a key, who shows it; without one, who is on this machine."""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from api.errors import ApiError
from api.settings import is_loopback

if TYPE_CHECKING:
    from starlette.types import Scope

# A proxy or a tunnel on this machine adds at least one of these.
_FORWARDED: Final = frozenset(
    {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"}
)
_CHALLENGE: Final = {"www-authenticate": 'Bearer realm="raphus"'}


class Guard:
    """Lets a request pass, or raises `ApiError`."""

    def __init__(self, api_key: str | None) -> None:
        self._key = api_key.encode() if api_key else None

    def check(self, scope: Scope) -> None:
        """Refuse a request that may not read.

        Raises:
            ApiError: 401 without the key; where no key is set, 403 from another machine.
        """
        if self._key is None:
            _check_local(scope)
            return
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        if scheme.lower() != b"bearer":
            message = "send the header Authorization: Bearer, with RAPHUS_API_KEY behind it"
            raise ApiError(401, "unauthorized", message, headers=_CHALLENGE)
        if not hmac.compare_digest(token.strip(), self._key):
            message = "that is not the server's RAPHUS_API_KEY"
            raise ApiError(401, "unauthorized", message, headers=_CHALLENGE)


def _check_local(scope: Scope) -> None:
    """Without a key: only a peer on this machine that calls the server by a local name.

    A tunnel that brings Dodo's webhooks in is such a peer too; a web page can make a name of its
    own point to 127.0.0.1, and post to it. So forwarded requests, foreign names and foreign
    origins are refused.
    """
    client, hosts, origins = scope.get("client"), [], []
    forwarded = False
    for name, value in scope["headers"]:
        if name == b"host":
            hosts.append(f"//{value.decode('latin-1')}")
        if name == b"origin":
            origins.append(value.decode("latin-1"))
        forwarded = forwarded or name in _FORWARDED
    named_locally = len(hosts) <= 1 and all(map(_names_us, hosts + origins))
    if forwarded or client is None or not is_loopback(client[0]) or not named_locally:
        message = "without RAPHUS_API_KEY only programs on the server's own machine are answered"
        raise ApiError(403, "loopback_only", message)


@lru_cache(maxsize=256)
def _names_us(origin: str) -> bool:
    """Tell whether a URL of no path names this machine; an origin of `null` names nobody."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return is_loopback(parts.hostname or "") and not (parts.path or parts.query or parts.fragment)
