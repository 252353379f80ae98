"""A process that runs one of our programs, and tells by its exit code whether that conceals it."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from importlib import import_module
from typing import Final

_PR_GET_DUMPABLE: Final = 3
YES: Final = 40
NO: Final = 41
"""It can be looked into in the end."""


def main() -> int:
    """Run the `main` of the module that is named, which is told nothing; all could see it first."""
    (program,) = sys.argv[1:]
    sys.argv[1:] = ["version"]
    assert _is_dumpable()
    with suppress(Exception):
        import_module(program).main()
    return NO if _is_dumpable() else YES


def _is_dumpable() -> bool:
    return bool(ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0))
