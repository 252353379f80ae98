"""Names of endpoints, looked up once for each connection, which is made to what was checked."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from workflows.targets.endpoint.addresses import refusal

LOOK_UPS_MAX: Final = 8
"""At once: one that hangs takes a thread."""


class RefusedAddressError(Exception):
    """A name leads to where nothing is sent; the message names both."""


class CheckedResolver(AbstractResolver):
    """Looks names up, and keeps back addresses to which nothing is sent.

    Whoever connects is given addresses and no name, so that a name that leads elsewhere a moment
    later leads nobody astray.
    """

    def __init__(self, *, is_private_allowed: bool) -> None:
        self._is_private_allowed = is_private_allowed
        self._threads = ThreadPoolExecutor(LOOK_UPS_MAX, "endpoint-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a name.

        Raises:
            OSError: there are none.
            RefusedAddressError: nothing is sent to any of them.
        """
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, socket.getaddrinfo, host, port, family, socket.SOCK_STREAM
        )
        allowed, why = [], ""
        for family_, _, protocol, _, address in found:
            refused = refusal(str(address[0]), is_private_allowed=self._is_private_allowed)
            if refused is None:
                allowed.append((family_, protocol, str(address[0])))
            else:
                why = f"{host} leads to {address[0]}, {refused}"
        if not allowed:
            raise RefusedAddressError(why)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=family_,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for family_, protocol, address in allowed
        ]

    async def close(self) -> None:
        """Look nothing up any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
