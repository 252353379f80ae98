"""Write every delivery about a customer as JSON Lines."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg

from api.http.responses import encode
from api.resources.customers import GET_CUSTOMER
from cli.arguments import add_path
from cli.database import database
from cli.errors import CommandError
from cli.rendering.terminal import write
from ledger.integrity.signatures import StoredSignatures
from postgres.failures import reason_of
from projections.audit import AuditError, evidence

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Generator

    from cli.settings import Settings


class AuditingError(CommandError):
    """The evidence cannot be written, or not to its end."""


def add(command: ArgumentParser) -> None:
    """Take the customer."""
    add_path(command, GET_CUSTOMER.reader)


def run(settings: Settings, args: Namespace) -> None:
    """Write the evidence, a line a delivery."""
    with closing(audit(settings, args.id)) as lines:
        for line in lines:
            write(line)


def audit(settings: Settings, customer_id: str) -> Generator[bytes, None, None]:
    """Yield the customer's deliveries in order of position, each as a line of JSON.

    Raises:
        SettingsError: there are secrets, and one is not a secret.
        AuditingError: no such customer has been seen; or the log cannot be read to its end.
    """
    if settings.webhook_keys:
        settings.verifier()  # tells what is wrong with the secrets
    check = StoredSignatures(settings.webhook_keys) if settings.webhook_keys else None
    found = False
    try:
        with (
            database(settings) as conninfo,
            closing(evidence(conninfo, customer_id, check)) as lines,
        ):
            for line in lines:
                found = True
                yield encode(line) + b"\n"
    except AuditError as error:
        raise AuditingError(f"{error}; raphus verify tells what was done to the log") from error
    except psycopg.Error as error:
        raise AuditingError(
            f"the evidence could not be read to its end: {reason_of(error)}"
        ) from error
    if not found:
        raise AuditingError("no customer with this id has been seen")
