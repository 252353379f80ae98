"""Programs of the same user cannot read what a process knows, nor what it began with.

Linux lets every program of a user read the environment, the memory and the open files of all of
that user's processes, but of those that are not "dumpable" (PR_SET_DUMPABLE in prctl(2), and
proc(5)). Other systems have nothing like it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_CAPABILITY_VERSION_3: Final = 0x20080522
_KEPT_CAPABILITIES: Final = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


def conceal() -> None:
    """Conceal this process, on Linux; there is no core dump of it either.

    It holds until the process executes another program: each begins with this.

    Raises:
        OSError: the system refuses.
    """
    _prctl(_PR_SET_DUMPABLE, 0)


def renounce() -> None:
    """Give up, on Linux, every privilege but those on files, for good and for all that is started.

    Root could look into concealed processes otherwise. Files stay as they are to it, so that code
    finds what it imports.

    Raises:
        OSError: the system refuses.
    """
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if sys.platform == "linux":
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable; twice 32 bits
        _call("capget", header, sets)
        kept = sets[1] & _KEPT_CAPABILITIES
        _call("capset", header, (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0))


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        _call("prctl", *map(ctypes.c_ulong, (option, value, 0, 0, 0)))


def _call(function: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), function)
