"""How a route names an endpoint over HTTP, and the secrets that its webhooks are signed with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from workflows.targets.endpoint.addresses import is_address, refusal
from workflows.targets.endpoint.secrets import Signer
from workflows.targets.url_text import split_url
from workflows.transforms.escaping import NotAnObjectError

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDPOINT: Final = "endpoint"
"""The name of the kind."""
WORD_CHARS_MAX: Final = 20
"""What is longer, in the path of a URL, may be a secret, and is not shown."""
_WELL_KNOWN_PORTS: Final = frozenset({80, 443})
_PORT_MIN: Final = 1024
_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True)
class EndpointTarget:
    """An endpoint, and how what it gets is signed; `is_private` allows one in our own network."""

    url: str = field(repr=False)
    signer: Signer
    is_private: bool = False

    @property
    def kind(self) -> str:
        """The name of its kind."""
        return ENDPOINT

    @property
    def shown(self) -> str:
        """The URL as it may be printed: without what may be a secret."""
        parts = urlsplit(self.url)
        path = "/".join(map(_word, parts.path.split("/")))
        return f"{parts.scheme}://{parts.netloc}{path}{'?…' if parts.query else ''}"

    def content(self, made: bytes, fixed: Mapping[str, object], replay: int) -> bytes:
        """Return the body: what was made, to the byte, or with the fixed arguments in it.

        Raises:
            NotAnObjectError: what was made is no JSON object.
        """
        try:
            values = _object(made)
        except (ValueError, RecursionError) as error:
            raise NotAnObjectError("they are no JSON object") from error
        return msgspec.json.encode({**values, **fixed}) if fixed else made


def read_endpoint(value: object) -> str:
    """Read the URL of an endpoint.

    Raises:
        ValueError: nothing can be sent to it; it is not quoted, for it may be a secret.
    """
    port = split_url(value).port
    if port is not None and port < _PORT_MIN and port not in _WELL_KNOWN_PORTS:
        raise ValueError(f"must have no port, port 80 or 443, or one from {_PORT_MIN} on")
    return str(value)


def declared(url: str, given: Mapping[str, Any]) -> EndpointTarget:
    """Return an endpoint with its details.

    Raises:
        ValueError: it has no secret, or stands where nothing is sent to.
    """
    signer: Signer | None = given.get("secret")
    is_private = bool(given.get("private"))
    if signer is None:
        raise ValueError("needs a secret beside it; raphus routes secret makes one")
    parts = urlsplit(url)
    host = parts.hostname or ""
    refused = refusal(host, is_private_allowed=is_private) if is_address(host) else None
    if refused:
        allowed = "" if is_private else "; private = true allows one in your own network"
        raise ValueError(f"must not be {refused}{allowed}")
    if parts.scheme != "https" and not is_private:
        raise ValueError("must begin with https://; http:// is for private = true only")
    return EndpointTarget(url, signer, is_private)


def read_private(value: object) -> bool:
    """Read whether an endpoint may stand in our own network.

    Raises:
        ValueError: it is neither true nor false.
    """
    if value is not True and value is not False:
        raise ValueError("must be true or false")
    return value


def _word(segment: str) -> str:
    return segment if len(segment) <= WORD_CHARS_MAX else "…"
