"""Take webhooks and answer questions."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from api.http.listening import listening, url_of
from cli import arguments
from cli.arguments import port
from cli.database import database
from cli.key_file import kept_in, kept_key
from cli.policy import read_policy
from cli.serving.room import workers
from telemetry import logs
from telemetry.interpreter import loading

if TYPE_CHECKING:
    import socket
    from argparse import ArgumentParser, Namespace

    from cli.settings import Settings

_log = logging.getLogger(__name__)


def add(command: ArgumentParser) -> None:
    """Take where to listen, and by how many processes."""
    add_port(command)
    command.add_argument("--host", help="instead of HOST")
    command.add_argument(
        "--workers",
        type=arguments.workers,
        help="instead of RAPHUS_WORKERS: processes that take requests; 0: one process for all",
    )


def add_port(command: ArgumentParser) -> None:
    """Take a port."""
    command.add_argument("--port", type=port, help="instead of PORT; 0 takes a free one")


def run(settings: Settings, args: Namespace) -> None:
    """Serve until it is told to end, and tell in the log what happens."""
    logs.set_up(logging.INFO)
    serve(addressed(settings, args))


def addressed(settings: Settings, args: Namespace) -> Settings:
    """Return the settings with what was given behind the command."""
    given = {name: getattr(args, name, None) for name in ("host", "port", "workers")}
    return replace(settings, **{name: value for name, value in given.items() if value is not None})


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then end in order.

    No more requests are taken, what is queued is committed and answered, the follower stops,
    and then the embedded database, if this was its last user.

    Raises:
        SettingsError: a setting is missing, or cannot be used; or no API key can be kept.
        AddressError: the host and port cannot be listened on.
        UnreachableError, EmbeddedPostgresError, MigrationError: there is no usable database.
        StartError: the server does not start.
    """
    settings.verifier()  # tells what is wrong with the secrets
    read_policy(settings)  # and with the file
    complete = replace(settings, api_key=settings.api_key or kept_key(settings.home))
    count = workers(settings.workers)
    with listening(settings.host, settings.port) as sock, database(settings) as conninfo:
        # What a supervisor does not need takes most of the time to load, and of the memory.
        if count:
            with loading():
                from cli.serving.supervisor import serve_by_processes  # noqa: PLC0415
            serve_by_processes(complete, conninfo, sock, count, lambda: _announce(settings, sock))
        else:
            with loading():
                from cli.serving.one_process import serve_alone  # noqa: PLC0415
            serve_alone(complete, conninfo, sock, lambda: _announce(settings, sock))


def _announce(settings: Settings, sock: socket.socket) -> None:
    url = url_of(sock)
    _log.info("Raphus listens on %s; webhooks go to %s/webhooks/dodo", url, url)
    _log.info("the console is at %s/", url)
    if settings.api_key is None:
        path = kept_in(settings.home)
        _log.info("RAPHUS_API_KEY is not set: the key to read with is in %s", path)
    if settings.database_url is None:
        _log.info("DATABASE_URL is not set: the data is in %s", settings.home)
