"""Which running processes belong to the server of a data directory."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PROC = Path("/proc")
PROGRAM = "postgres"


def exists(pid: int) -> bool:
    """Tell whether a process runs; a zombie, which its parent left unreaped, does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def is_server(pid: int, data: Path) -> bool:
    """Tell whether a process is one of the server's: a pid alone may have been used again."""
    if not exists(pid):
        return False
    if not (PROC / "self").exists():
        command = ["/bin/ps", "-o", "stat=,comm=", "-p", str(pid)]
        said = subprocess.run(command, capture_output=True, check=False, text=True).stdout
        return PROGRAM in said and not said.startswith("Z")
    try:
        return _works_in(pid, data)
    except PermissionError:
        # Root without CAP_SYS_PTRACE, as in many containers, sees a name and an owner only.
        return _is_named_and_owned(pid, data)


def orphans(data: Path) -> list[int]:
    """Return the server's processes that have lost their postmaster, as far as that is sure.

    Sure are those that work in `data`. If one of them is another's parent, that is a postmaster,
    maybe of a container, whose pid is not what it thinks.
    """
    found = set()
    for entry in PROC.glob("[0-9]*"):
        pid = int(entry.name)
        try:
            if _is_named_and_owned(pid, data) and _works_in(pid, data):
                found.add(pid)
        except PermissionError:
            continue  # nothing is certain about it, so it is left alone
    return [] if found & {_parent(pid) for pid in found} else sorted(found)


def _works_in(pid: int, data: Path) -> bool:
    try:
        return (PROC / str(pid) / "cwd").samefile(data)
    except (FileNotFoundError, ProcessLookupError):
        return False


def _is_named_and_owned(pid: int, data: Path) -> bool:
    process = PROC / str(pid)
    try:
        name = (process / "comm").read_text("utf-8").strip()
        return name == PROGRAM and process.stat().st_uid == data.stat().st_uid
    except (FileNotFoundError, ProcessLookupError):
        return False


def _is_zombie(pid: int) -> bool:
    status = _status(pid)
    if not status:  # it is gone by now; or, where there is no /proc, nobody can tell
        return (PROC / "self").exists()
    return status[0] in {"Z", "X"}


def _parent(pid: int) -> int | None:
    status = _status(pid)
    return int(status[1]) if status else None


def _status(pid: int) -> list[str]:
    """Return a process's state, its parent and more, or nothing."""
    try:
        status = (PROC / str(pid) / "stat").read_text("utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return status.rpartition(")")[2].split()
