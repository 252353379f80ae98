"""Erase what identifies a customer, or list what was erased."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import psycopg

from api.http.questions import LIMIT_DEFAULT
from api.http.responses import encode
from api.resources.erasures import ERASE, erasures, told
from cli.arguments import add_json, checked
from cli.database import database
from cli.errors import CommandError
from cli.offline_queries import answered
from cli.rendering.progress import shown
from cli.rendering.terminal import console, write
from ledger.erasure import Request
from postgres.failures import reason_of
from workflows.erasure import forget, look

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from api.http.pagination import Page
    from api.resources.erasures import Erased
    from cli.settings import Settings
    from ledger.erasures_list import ListedErasure
    from workflows.erasure import Findings

_WHAT_REMAINS: Final = "Backups, WAL archives and Dodo keep what they have: docs/personal-data.md"


class ForgettingError(CommandError):
    """Nothing was erased, or it is not known whether it was."""


class UsageError(CommandError):
    """What was typed is not enough to erase anything."""

    exit_code = 2


def add(command: ArgumentParser) -> None:
    """Take the customer, and why he is forgotten."""
    reader = ERASE.reader
    customer_id = reader.path["id"]
    command.add_argument(
        "id",
        nargs="?",
        type=checked(reader, customer_id),
        metavar="ID",
        help=customer_id.description,
    )
    for option, name, metavar in (
        ("reason", "reason", "TEXT"),
        ("requested-by", "requested_by", "TEXT"),
        ("business", "business_id", "ID"),
    ):
        field = reader.query[name]
        command.add_argument(
            f"--{option}", type=checked(reader, field), metavar=metavar, help=field.description
        )
    command.add_argument("--dry-run", action="store_true", help="only tell what would be erased")
    command.add_argument("--yes", action="store_true", help="do not ask first")
    command.add_argument("--list", action="store_true", help="list what was erased, the last first")
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Erase, once a person has said yes; or tell what would be, or what was, erased."""
    if args.list:
        _list(settings, args)
        return
    reason = (args.reason or "").strip()
    if args.id is None or not (reason or args.dry_run):
        raise UsageError("say whom to forget and why: raphus forget ID --reason TEXT, or --list")
    try:
        with database(settings) as conninfo:
            if args.dry_run or not args.yes:
                found = look(conninfo, args.id, args.business)
                if args.dry_run:
                    _print_found(found, as_json=args.json)
                    return
                _ask(found)
            with shown(console(stderr=True)) as progress:
                request = Request(args.id, args.business, reason, args.requested_by)
                erased = told(forget(conninfo, request, progress))
    except psycopg.Error as error:
        raise ForgettingError(
            f"it is not known whether anything was erased: {reason_of(error)}. raphus forget --list"
            " tells"
        ) from error
    if args.json:
        write(encode(erased) + b"\n")
    else:
        print("\n".join(_as_text(erased)))


def _ask(found: Findings) -> None:
    if not sys.stdin.isatty():
        raise UsageError("there is nobody to ask: add --yes, or look with --dry-run first")
    print("\n".join(_would(found)))
    if input("Erase this for good? Type yes: ").strip().lower() != "yes":
        raise ForgettingError("nothing was erased")


def _print_found(found: Findings, *, as_json: bool) -> None:
    if as_json:
        write(encode(found._asdict()) + b"\n")
    else:
        print("\n".join(_would(found)))


def _would(found: Findings) -> Iterator[str]:
    yield f"customer {found.customer_id} of business {found.business_id or '(unknown)'}"
    yield from _counted(found.events)
    yield f"in {found.streams} streams; what {found.jobs} Windmill jobs were told"


def _as_text(erased: Erased) -> Iterator[str]:
    if erased.position is None:
        yield "nothing was left to erase"
        return
    yield from _counted(erased.events)
    yield f"erased, and recorded at position {erased.position} as {erased.webhook_id}"
    yield _WHAT_REMAINS


def _counted(events: dict[str, int]) -> Iterator[str]:
    for type_, count in events.items():
        yield f"{count:>7,}  {type_}"
    yield f"{sum(events.values()):>7,}  events in all"


def _list(settings: Settings, args: Namespace) -> None:
    before: int | None = None
    while True:
        page = _page(settings, args, before)
        for one in page.items:
            write(encode(one) + b"\n" if args.json else f"{_line(one)}\n".encode())
        if page.next is None:
            return
        before = int(page.items[-1].position)


def _page(settings: Settings, args: Namespace, before: int | None) -> Page[ListedErasure]:
    return answered(settings, args, lambda side: erasures(side, args.id, before, LIMIT_DEFAULT))


def _line(one: ListedErasure) -> str:
    since = f"; {one.arrived_since:,} have come since" if one.arrived_since else ""
    by = f", asked for by {one.requested_by}" if one.requested_by else ""
    return (
        f"{one.erased_at:%Y-%m-%d %H:%M:%S}  position {one.position}  {one.business_id}"
        f"  {one.customer_id}: {one.events:,} events{since}  ({one.reason}{by})"
    )
