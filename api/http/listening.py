"""The socket that a server listens on, and what can keep a server from starting."""

from __future__ import annotations

import errno
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from telemetry.errors import RaphusError

if TYPE_CHECKING:
    from collections.abc import Iterator

BIND_PATIENCE_S: Final = 1.0
"""How long it is waited for an address to be free: processes of a server that was killed may have
to notice."""
BIND_AGAIN_S: Final = 0.05


class AddressError(RaphusError):
    """The server cannot listen where it is told to."""


class StartError(RaphusError):
    """The server does not start; the log tells why."""


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Yield a socket that is bound, and refuses connections until a server listens on it.

    Raises:
        AddressError: the address does not exist here, or is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AddressError(f"cannot listen on {host}: {error.strerror}") from error
    with sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _bind(sock, address)
        except OSError as error:
            raise AddressError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        yield sock


def _bind(sock: socket.socket, address: Any) -> None:  # noqa: ANN401 -- as its family has it
    give_up_at = time.monotonic() + BIND_PATIENCE_S
    while True:
        try:
            sock.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > give_up_at:
                raise
            time.sleep(BIND_AGAIN_S)
        else:
            return


def url_of(sock: socket.socket) -> str:
    """Return the address that a socket is bound to, as a URL."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
