"""Run everything with a simulated merchant, and stay up."""

from __future__ import annotations

import base64
import os
import secrets
from contextlib import suppress
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, Final

import psycopg

from api.app import application
from api.http.auth import OpenOnLoopback
from api.http.listening import listening, url_of
from api.http.server import in_background
from api.webhooks.endpoint import PATH
from api.webhooks.verifier import Verifier
from cli.commands.serve import add_port, addressed
from cli.commands.simulate import add_play, play, play_in, told
from cli.database import database
from cli.errors import CommandError
from cli.rendering.demo_summary import (
    show_commands,
    show_customers,
    show_doubtful,
    show_objects,
)
from cli.rendering.progress import shown
from cli.rendering.reconciliations import show_findings, show_outcomes
from cli.rendering.terminal import console as terminal
from console.catalogue import console as pages
from dodo.pace import Pace
from ledger.following.catching_up import catch_up
from ledger.integrity.signatures import PREFIX
from postgres.connections import WORKING, connect
from reconciliation import queries
from reconciliation.reconciling import reconcile
from reconciliation.session import Source, opened
from simulator import BEGAN_AT
from simulator.dodo_api import SimulatedDodo, serving

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from datetime import datetime

    from rich.console import Console

    from cli.commands.simulate import Play, Played
    from cli.settings import Settings

UNLIMITED: Final = 1_000_000
"""Requests a minute: the simulated side has no limit."""
FINDINGS_SHOWN: Final = 8


_OTHERS: Final = """
    SELECT count(*) FROM raphus.ledger_events AS e
    LEFT JOIN unnest(%(known)s::text[]) AS known (webhook_id) USING (webhook_id)
    WHERE known.webhook_id IS NULL AND NOT starts_with(e.topic, 'raphus.')
"""


class DemoError(CommandError):
    """The demo did not come to its end."""


def add(command: ArgumentParser) -> None:
    """Take where to listen, and what to play."""
    add_port(command)
    add_play(command, lost=0.03)
    command.add_argument("--exit", action="store_true", help="end after showing what there is")


def run(settings: Settings, args: Namespace) -> None:
    """Play, show, and stay."""
    demo(addressed(settings, args), play_in(args), terminal(), stay=not args.exit)


def demo(settings: Settings, what: Play, console: Console, *, stay: bool) -> None:
    """Run everything, on this machine alone, in a database of its own, to be read without a key.

    The merchant's history ends now. It is the same for the same seed and the same end, and goes on
    with a later one: a second run on one database adds what has happened since, and all else are
    duplicates. With `stay` it goes on serving until SIGINT or SIGTERM.

    Raises:
        AddressError: the port is taken.
        EmbeddedPostgresError: the embedded database cannot be run.
        DemoError: a webhook was not accepted.
        BehindError: the read models do not follow the log.
    """
    settings = replace(settings, home=settings.home / "demo", host="127.0.0.1", database_url=None)
    secret = PREFIX + base64.b64encode(os.urandom(24)).decode()
    console.print(f"Starting PostgreSQL in {settings.home}")
    with listening(settings.host, settings.port) as sock, database(settings) as conninfo:
        app = application(conninfo, Verifier([secret]), OpenOnLoopback(), site=pages)
        url = url_of(sock)
        with in_background(app, sock):
            console.print(f"Serving on {url}")
            played = _fill(what, url + PATH, secret, console)
            with connect(conninfo, WORKING, "raphus-demo") as conn:
                catch_up(conn)
                _find_what_was_lost(conn, conninfo, played, what.until, console)
                show_objects(conn, console)
                customer_id = show_customers(conn, console)
            show_commands(url, customer_id, console)
            if stay:
                console.print(f"\nOpen {url}/ in a browser. Ctrl-C ends it; the data stays.")
                with suppress(KeyboardInterrupt):
                    Event().wait()


def _fill(what: Play, url: str, secret: str, console: Console) -> Played:
    played = play(what, url, secret, console)
    console.print(told(played.tally))
    if played.tally.failed or played.tally.refused:
        raise DemoError("not every webhook was accepted; the lines above tell why")
    return played


def _find_what_was_lost(
    conn: psycopg.Connection, conninfo: str, played: Played, until: datetime, console: Console
) -> None:
    """Ask the merchant's side, which knows all that happened, and show what had not come here."""
    known = [one.webhook_id for one in played.occurrences]
    if not known:
        return
    if _one(conn, _OTHERS, {"known": known}) != (0,):
        console.print("Another merchant's life was played here before: what was lost is not asked")
        return
    show_doubtful(conn, console)
    api_key = secrets.token_urlsafe()
    dodo = SimulatedDodo(played.occurrences, at=until, api_key=api_key)
    with serving(dodo) as base_url:
        source = Source(api_key, "test_mode", Pace(UNLIMITED), base_url)
        console.print("Asking Dodo's side, as raphus reconcile does")
        with shown(console) as progress, opened(conninfo, source, follows=False) as session:
            found = reconcile(session, (until - BEGAN_AT).days + 1, progress)
            session.catch_up()
            business_id = session.taker.account.business_id
    show_outcomes(console, found.outcomes)
    first = enumerate(found.findings[:FINDINGS_SHOWN], start=1)
    show_findings(console, [queries.told(one, n, str(found.id), business_id) for n, one in first])
    if (more := len(found.findings) - FINDINGS_SHOWN) > 0:
        console.print(f"… and {more} more: /v1/findings has them all")
    show_doubtful(conn, console)


def _one(
    conn: psycopg.Connection, sql: str, params: dict[str, object] | None = None
) -> tuple[int, ...]:
    row = conn.execute(sql.encode(), params).fetchone()
    assert row is not None, "an aggregate has a row"
    return row
