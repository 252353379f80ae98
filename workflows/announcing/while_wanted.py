"""Announces for as long as a route asks for it: nobody else pays for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from domain.aggregates.announcement import TYPES
from ledger.following.leader import POLL_S
from workflows.announcing.announcer import Announcer

if TYPE_CHECKING:
    from domain.aggregates.announcement import Family
    from workflows.policy_file import PolicyFile
    from workflows.routes.routes_file import Routes, RoutesFile


async def announce_while_wanted(conninfo: str, policy: PolicyFile, routes: RoutesFile) -> None:
    """Announce what routes ask for, until it is cancelled."""
    announcer: Announcer | None = None
    try:
        while True:
            if not wanted_by(routes.current()):
                running, announcer = announcer, None
                await _stop(running)
            elif announcer is None:
                announcer = Announcer(conninfo, policy, lambda: wanted_by(routes.current()))
                announcer.start()
            await asyncio.sleep(POLL_S)
    finally:
        await _stop(announcer)


def wanted_by(routes: Routes) -> set[Family]:
    """Return what a process of its own has to announce because a route is for it.

    The end of an import is announced by the import.
    """
    wanted = {
        family
        for family, types in TYPES.items()
        if any(route.wants_type(type_) for route in routes for type_ in types)
    }
    return wanted - {"import"}


async def _stop(announcer: Announcer | None) -> None:
    if announcer is not None:
        await asyncio.to_thread(announcer.stop)
