"""Take webhooks and answer questions."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from api.app import application
from api.http.auth import KeyGuard
from api.http.server import Server, StartError, listening, url_of
from cli.arguments import port
from cli.database import UnreachableError, database
from cli.key_file import kept_in, kept_key
from cli.policy import read_policy
from cli.settings import without_secrets
from cli.sources import source_of
from console.catalogue import console
from postgres.failures import reason_of
from reconciliation.reconciler import Reconciler
from telemetry import logs
from workflows.outbox.follower import begin

if TYPE_CHECKING:
    import socket
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from cli.settings import Settings, WindmillSettings

_log = logging.getLogger(__name__)


def add(command: ArgumentParser) -> None:
    """Take where to listen."""
    add_port(command)
    command.add_argument("--host", help="instead of HOST")


def add_port(command: ArgumentParser) -> None:
    """Take a port."""
    command.add_argument("--port", type=port, help="instead of PORT; 0 takes a free one")


def run(settings: Settings, args: Namespace) -> None:
    """Serve until it is told to end, and tell in the log what happens."""
    logs.set_up(logging.INFO)
    serve(addressed(settings, args))


def addressed(settings: Settings, args: Namespace) -> Settings:
    """Return the settings with the address that was given behind the command."""
    given = {name: getattr(args, name, None) for name in ("host", "port")}
    return replace(settings, **{name: value for name, value in given.items() if value is not None})


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then end in order.

    No more requests are taken, what is queued is committed and answered, the follower stops,
    and then the embedded database, if this was its last user.

    Raises:
        SettingsError: a setting is missing, or cannot be used; or no API key can be kept.
        AddressError: the host and port cannot be listened on.
        UnreachableError, EmbeddedPostgresError, MigrationError: there is no usable database.
    """
    verifier = settings.verifier()
    read_policy(settings)  # tells what is wrong with the file
    api_key = settings.api_key or kept_key(settings.home)
    with listening(settings.host, settings.port) as sock, database(settings) as conninfo:
        app = application(conninfo, verifier, KeyGuard(api_key), settings.rules(), site=console)
        server = Server(app, lambda: _announce(settings, sock))
        try:
            with _windmill(settings.windmill, conninfo), _reconciling(settings, conninfo):
                server.run(sockets=[sock])
        except SystemExit as error:  # uvicorn's, where the application does not start
            raise StartError(StartError.__doc__) from error
        except KeyboardInterrupt:  # uvicorn's, after it has ended in order
            _log.info("stopped")


@contextmanager
def _windmill(windmill: WindmillSettings, conninfo: str) -> Iterator[None]:
    """Start jobs in Windmill meanwhile, where there are routes."""
    if not windmill.used:
        yield
        return
    try:
        begin(conninfo)
    except psycopg.OperationalError as error:
        raise UnreachableError(f"the database went away: {reason_of(error)}") from error
    where = windmill.base_url, windmill.workspace, windmill.token
    # They bring an HTTP client, which loads slowly: whoever has no routes does not wait for it.
    from workflows.supervisor import Supervisor  # noqa: PLC0415
    from workflows.worker import Task  # noqa: PLC0415

    task = Task(conninfo, str(windmill.routes), *where)
    supervisor = Supervisor(task, without_secrets(os.environ))
    supervisor.start()
    try:
        yield
    finally:
        supervisor.stop()


@contextmanager
def _reconciling(settings: Settings, conninfo: str) -> Iterator[None]:
    """Ask Dodo every few hours meanwhile, where there is a key, what was lost."""
    dodo = settings.dodo
    if dodo is None or not dodo.reconcile_every_s:
        yield
        return
    reconciler = Reconciler(
        conninfo,
        partial(source_of, settings),
        every_s=dodo.reconcile_every_s,
        per_minute=dodo.requests_per_minute,
    )
    reconciler.start()
    try:
        yield
    finally:
        reconciler.stop()


def _announce(settings: Settings, sock: socket.socket) -> None:
    url = url_of(sock)
    _log.info("Raphus listens on %s; webhooks go to %s/webhooks/dodo", url, url)
    _log.info("the console is at %s/", url)
    if settings.api_key is None:
        path = kept_in(settings.home)
        _log.info("RAPHUS_API_KEY is not set: the key to read with is in %s", path)
    if settings.database_url is None:
        _log.info("DATABASE_URL is not set: the data is in %s", settings.home)
