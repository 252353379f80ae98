"""Where databases go that no test keeps: into memory, if there is room for them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 -- names in it are made by tempfile
_ROOM_BYTES: Final = 4 * 2**30


def scratch() -> Path | None:
    """Return a directory for `tempfile`, None where it is to choose one.

    A new database is some hundred new files: on a disk they take most of the processor time of
    most tests.
    """
    if not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _ROOM_BYTES:
        return None
    return _MEMORY
