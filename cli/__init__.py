"""The command line: `raphus` and its commands.

Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING

import psycopg

from cli.parser import parser
from cli.settings import Settings
from postgres.failures import reason_of
from telemetry import logs
from telemetry.concealment import conceal
from telemetry.errors import RaphusError
from telemetry.interpreter import loading

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence
    from types import FrameType

OK, FAILED, INTERRUPTED = 0, 1, 130
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Nothing more can be written where the output goes: no defect."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    conceal()  # its environment holds secrets, and it may start the merchant's own code
    argv = sys.argv[1:] if argv is None else argv
    with loading():
        args = parser(argv).parse_args(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    logs.set_up(logging.WARNING)
    try:
        run: Callable[[Settings, Namespace], None] = args.run
        run(Settings.read(os.environ), args)
        sys.stdout.flush()  # here, where a reader that has gone is no surprise
    except RaphusError as error:
        return _fail(str(error), error.exit_code)
    except psycopg.Error as error:
        return _fail(reason_of(error), FAILED)
    except BrokenPipeError:  # whoever read our output has seen enough
        _forsake_output()
        return OK
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 -- of a defect, too, a user sees what to do
        return _fail(_unforeseen(error, debug=args.debug), FAILED)
    return OK


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # So that SIGTERM, like Ctrl-C, unwinds the stack and stops what was started.
    raise KeyboardInterrupt


def _forsake_output() -> None:
    # What could not be written is still in its buffer, and would be tried again at the very end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int) -> int:
    print(f"raphus: {message}", file=sys.stderr)
    return code


def _unforeseen(error: Exception, *, debug: bool) -> str:
    """Say what happened without the text of the exception, which may quote a body or a secret."""
    if isinstance(error, OSError) and error.errno in _FULL:
        _forsake_output()
        return str(error)
    if debug:
        return "".join(traceback.format_exception(error)).rstrip()
    return (
        f"a defect of Raphus: {logs.where(error)}\n"
        "Please report that line as CONTRIBUTING.md says; --debug shows everything, bodies too."
    )
