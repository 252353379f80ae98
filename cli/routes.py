"""The routes as they stand in their file now, for commands that work with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.settings import SettingsError

if TYPE_CHECKING:
    from cli.settings import Settings
    from workflows.routes.route import Route, Routes


def read_routes(settings: Settings) -> Routes:
    """Read the routes, where nothing of an earlier time counts.

    Raises:
        SettingsError: the file is wrong; the message names the line.
    """
    file = settings.windmill.routes_file()
    routes = file.current()
    if file.problem is not None:
        raise SettingsError(file.problem)
    return routes


def read_route(settings: Settings, name: str) -> Route:
    """Read the route of a name.

    Raises:
        SettingsError: the file is wrong, or has no such route; the message names those it has.
    """
    routes, path = read_routes(settings), settings.windmill.routes
    found = routes.named(name)
    if found is None:
        known = ", ".join(route.name for route in routes)
        told = f"has no route {name!r}; it has {known}" if known else "declares no routes"
        raise SettingsError(f"{path} {told if path.exists() else 'is not there'}")
    return found
