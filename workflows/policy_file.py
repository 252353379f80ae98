"""The policy file: who gets access, as the table `[access]` of `raphus.toml` says."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

from domain.access.policy import (
    KEYS,
    STATUSES,
    Policy,
    read_disputes,
    read_rule,
    read_yes_or_no,
)
from telemetry.incident import Incident
from workflows.bounded_file import FileError
from workflows.followed_file import FollowedFile
from workflows.toml_text import TextError, decoded, parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)

TABLE: Final = "access"
RATES: Final = "rates"
"""A table of the same file, which is read elsewhere."""
PROBLEM_CHARS_MAX: Final = 500
_READERS: Final[Mapping[str, Callable[[object], Any]]] = {
    **dict.fromkeys(STATUSES, read_rule),
    "bought_once": read_yes_or_no,
    "license_key": read_yes_or_no,
    "grant": read_yes_or_no,
    "disputes": read_disputes,
}


class PolicyError(FileError):
    """The policy file is wrong; the message names it, the line, and what is expected."""


class PolicyFile(FollowedFile[Policy]):
    """The policy that a file has, read again when it changes; the default where there is none.

    A wrong file leaves the policy that was right last, and is told in the log. One that was never
    right leaves the default: whoever makes a server or a command of it looks at `problem` first.
    """

    def __init__(self, path: Path, *, required: bool = False, retry_s: float = 1.0) -> None:
        super().__init__(path, read_policy, Policy(), required=required, retry_s=retry_s)
        self._incident = Incident(_log, "the policy of access cannot be read anew")

    def known(self) -> Policy | None:
        """Return the policy in force; None where that is unknown: the file was never right."""
        policy = self.current()
        return policy if self.problem is None or self._was_right else None

    def settled(self) -> Policy | None:
        """Return the policy in force; None where that is unknown, or is just being written."""
        policy = self.known()
        # Looked at last: what was read may be what is left of a file that is being written.
        return None if self.is_being_written else policy

    def current(self) -> Policy:
        """Return the policy in force."""
        policy = super().current()
        if self.problem is None:
            self._incident.end()
        elif self._was_right:
            self._incident.begin(f"{self.problem}; that of before stays")
        return policy


def read_policy(path: Path, content: bytes) -> Policy:
    """Read the content of a policy file; what it does not say is as by default.

    Raises:
        PolicyError: something in it is wrong.
    """
    try:
        text = decoded(content)
        tables = parsed(text)
    except TextError as error:
        wrong(path, error.line, str(error))
    for name in tables:
        if name not in {TABLE, RATES}:
            line = line_of(text, rf"[\[\s]*[\"']?{re.escape(name)}")
            wrong(path, line, f"unknown key {name!r}; expected is [{TABLE}] or [{RATES}]")
    declared = tables.get(TABLE, {})
    if not isinstance(declared, dict):
        wrong(path, line_of(text, TABLE), f"{TABLE} must be a table: [{TABLE}]")
    rules: dict[str, Any] = {key: _read(path, text, key, declared[key]) for key in declared}
    return Policy(**rules)


def _read(path: Path, text: str, key: str, value: object) -> object:
    line = line_of(text, rf"(?:{TABLE}\s*\.\s*)?[\"']?{re.escape(key)}[\"']?\s*=")
    if key not in _READERS:
        wrong(path, line, f"unknown key {key!r}; expected are {', '.join(KEYS)}")
    try:
        return _READERS[key](value)
    except ValueError as error:
        wrong(path, line, f"{key} {error}")


def line_of(text: str, beginning: str) -> int:
    """Return the line that begins so: by its looks, since the parser does not tell."""
    found = re.search(rf"^[ \t]*{beginning}", text, re.MULTILINE)
    return text.count("\n", 0, found.end() if found else 0) + 1


def wrong(path: Path, line: int, problem: str) -> NoReturn:
    """Refuse what a file says in a line.

    Raises:
        PolicyError: always.
    """
    raise PolicyError(f"{path.name}:{line}: {problem[:PROBLEM_CHARS_MAX]}") from None
