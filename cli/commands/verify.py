"""Prove that history is whole."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec
import psycopg

from cli.arguments import add_json, read_with
from cli.database import database
from cli.errors import CommandError
from cli.kept_results import keep_result
from cli.rendering.progress import shown
from cli.rendering.terminal import console
from ledger.integrity.signatures import StoredSignatures
from ledger.integrity.verify import Head, head, verify
from postgres.connections import WORKING, connect
from postgres.failures import reason_of
from projections.upkeep.findings import of_log
from projections.upkeep.work import STREAMS, VERIFY

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from cli.settings import Settings
    from ledger.integrity.diagnosis import Fault
    from ledger.integrity.verify import Verified

RANGES_SHOWN_MAX: Final = 20
"""So many ranges of emptied positions are printed of an erasure; `--json` has all."""


class VerifyingError(CommandError):
    """The log could not be walked to its end."""


class UnknownHeadError(CommandError):
    """The head that was given is not of this log, in which nothing else is wrong."""

    exit_code = 2

    def __init__(self) -> None:
        super().__init__(
            "this log never had the head given, or was shortened or rewritten since: expected"
            " <position>:<hash>, as raphus verify --head has printed it of this very log"
        )


def add(command: ArgumentParser) -> None:
    """Take what is to be proved."""
    command.add_argument("--head", action="store_true", help="only print the head, to be kept")
    command.add_argument(
        "--against", type=read_with(Head.parse), metavar="HEAD", help="a head kept from before"
    )
    command.add_argument("--signatures", action="store_true", help="check every signature again")
    add_json(command)


def run(settings: Settings, args: Namespace) -> None:
    """Walk the log, and fail where it is not what was recorded."""
    if args.head:
        print(read_head(settings))
        return
    report = verified(settings, console(stderr=True), args.against, signatures=args.signatures)
    print(as_json(report) if args.json else "\n".join(as_text(report)))
    if report.fault is not None:
        raise CommandError("the log is not what was recorded")
    if report.missing is not None:
        raise UnknownHeadError


def read_head(settings: Settings) -> Head:
    """Return the head of the log as it stands, to be kept elsewhere."""
    with database(settings) as conninfo, connect(conninfo, WORKING, "raphus-verify") as conn:
        return head(conn)


def verified(
    settings: Settings, console: Console, against: Head | None, *, signatures: bool
) -> Verified:
    """Walk the log and show the progress.

    Raises:
        SettingsError: signatures are to be checked, and there is no secret.
        VerifyingError: the database went away.
    """
    if signatures:
        settings.verifier()  # tells what is wrong with the secrets
    check = StoredSignatures(settings.webhook_keys) if signatures else None
    try:
        with (
            database(settings) as conninfo,
            connect(conninfo, WORKING, "raphus-verify") as conn,
            shown(console) as progress,
        ):
            began_at = datetime.now(UTC)
            progress(STREAMS, 0, 1)
            found = verify(
                conn,
                against=against,
                progress=lambda done, total: progress(VERIFY, done, total),
                signatures=check,
            )
            keep_result(conninfo, "verify", began_at, of_log(found))
            return found
    except psycopg.Error as error:
        raise VerifyingError(f"the log could not be verified: {reason_of(error)}") from error


def as_json(found: Verified) -> str:
    """Write what was found as one JSON object."""
    return msgspec.json.encode(told(found)).decode()


def told(found: Verified) -> dict[str, object]:
    """Return what was found as JSON has it."""
    return {
        "head": str(found.head),
        "events": found.events,
        "fault": _spoken(found.fault),
        "missing": _spoken(found.missing),
        "signatures": found.signatures and found.signatures._asdict(),
        "clock_corrections": [
            {**one._asdict(), "position": str(one.position)} for one in found.corrections
        ],
        "erasures": [
            {
                "position": str(one.position),
                "customer_id": one.erasure.customer_id,
                "events": one.erasure.count,
                "positions": one.erasure.positions,
            }
            for one in found.erasures
        ],
    }


def _ranges(positions: Sequence[tuple[int, int]]) -> str:
    shown = [
        str(first) if first == last else f"{first}-{last}"
        for first, last in positions[:RANGES_SHOWN_MAX]
    ]
    return ", ".join([*shown, "…"] if len(positions) > RANGES_SHOWN_MAX else shown)


def _spoken(wrong: Fault | None) -> dict[str, str] | None:
    return wrong and {"position": str(wrong.position), "problem": wrong.problem}


def as_text(found: Verified) -> Iterator[str]:
    """Write what was found as a person would want to read it."""
    for wrong in filter(None, (found.fault, found.missing)):
        yield f"position {wrong.position}: {wrong.problem}"
    if found.fault is not None:
        yield f"whole before position {found.fault.position}: {found.events} events"
    elif found.missing is not None:
        yield f"the log is whole in itself: {found.events} events"
    else:
        yield f"the log is whole: {found.events} events"
    yield f"head: {found.head}"
    for one in found.corrections:
        yield (
            f"position {one.position}: the clock was corrected, from {one.wrong_at.isoformat()}"
            f" back to {one.recorded_at.isoformat()}"
        )
    for erased in found.erasures:
        yield (
            f"position {erased.position}: erased what identified {erased.erasure.customer_id}, in"
            f" {erased.erasure.count} events: {_ranges(erased.erasure.positions)}"
        )
    if (signatures := found.signatures) is not None:
        erased_too = f", {signatures.erased} erased: cannot be checked" * bool(signatures.erased)
        yield f"signatures: {signatures.verified} verified, {signatures.unverified} not{erased_too}"
        for unverified in signatures.first_unverified:
            yield f"  position {unverified.position}: {unverified.reason}"
