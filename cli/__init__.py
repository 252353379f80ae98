"""The command line: `raphus` and its commands.

Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

from api.http.errors import ApiError
from cli.commands.auditing import AuditingError
from cli.commands.demo import DemoError
from cli.commands.rebuilding import RebuildingError
from cli.commands.serving import AddressError, StartError
from cli.commands.verifying import UnknownHeadError, VerifyingError
from cli.database import UnreachableError
from cli.errors import CommandError
from cli.parser import parser
from cli.settings import Settings, SettingsError
from ledger.backup.archive import BackupError
from migrations.runner import MigrationError
from postgres.embedded import EmbeddedPostgresError
from telemetry import logs
from telemetry.concealment import conceal

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence
    from types import FrameType

OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
_EXPECTED: Final = (
    AddressError,
    AuditingError,
    BackupError,
    CommandError,
    DemoError,
    EmbeddedPostgresError,
    MigrationError,
    RebuildingError,
    StartError,
    UnreachableError,
    VerifyingError,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    conceal()  # its environment holds secrets, and it may start the merchant's own code
    args = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    logs.set_up(logging.INFO if args.command == "serve" else logging.WARNING)
    try:
        settings = Settings.read(os.environ)
        run: Callable[[Settings, Namespace], None] = args.run
        run(settings, args)
        sys.stdout.flush()  # here, where a reader that has gone is no surprise
    except (SettingsError, UnknownHeadError) as error:
        return _fail(error, MISUSED)
    except ApiError as error:
        return _fail(error, MISUSED if error.status == 400 else FAILED)
    except _EXPECTED as error:
        return _fail(error, FAILED)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return INTERRUPTED
    return OK


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # So that SIGTERM, like Ctrl-C, unwinds the stack and stops what was started.
    raise KeyboardInterrupt


def _fail(error: Exception, code: int) -> int:
    print(f"raphus: {error}", file=sys.stderr)
    return code
