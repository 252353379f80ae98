"""The secrets that an endpoint's webhooks are signed with: where they stand, and their signatures.

While one replaces another, each webhook has a signature of either: the specification of Standard
Webhooks has several stand in one header, and a receiver looks for one that it can verify.
"""

from __future__ import annotations

import base64
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from standardwebhooks import Webhook

from ledger.integrity.signatures import PREFIX, SECRETS_MAX, SecretError, signing_keys
from workflows.bounded_file import FileError, content_of
from workflows.targets.target import TargetError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

KEY_BYTES: Final = 32
KEY_BYTES_MIN: Final = 24
"""The specification wants 24 to 64."""
FILE_BYTES_MAX: Final = 16 * 1024
FORMS: Final = '"env:NAME_OF_A_VARIABLE", "file:path", or "whsec_…" itself'
_VARIABLE: Final = re.compile("[A-Za-z_][A-Za-z0-9_]{0,199}")


def new_secret() -> str:
    """Make a secret."""
    return PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


class Source(NamedTuple):
    """Where secrets stand: in a variable of the environment, in a file, or here."""

    form: str
    value: str

    def __repr__(self) -> str:
        return f"Source({self.form!r})"

    def read(self, environ: Mapping[str, str]) -> list[str]:
        """Return the secrets; several have commas or blanks between them.

        Raises:
            TargetError: there are none; the message names the place.
        """
        match self.form:
            case "env":
                text = environ.get(self.value, "")
                missing = f"{self.value} is not set in the environment of the server"
            case "file":
                text = _content(Path(self.value))
                missing = f"{self.value} is empty"
            case _:
                text, missing = self.value, "there is no secret"
        found = text.replace(",", " ").split()
        if not found:
            raise TargetError(missing)
        return found


class Signer(NamedTuple):
    """Signs webhooks with all secrets that its sources have now."""

    sources: tuple[Source, ...]

    def keys(self, environ: Mapping[str, str]) -> list[bytes]:
        """Read the secrets.

        Raises:
            TargetError: one is missing, or is no secret; nothing of it is quoted.
        """
        texts = [text for source in self.sources for text in source.read(environ)]
        try:
            return checked(texts)
        except SecretError as error:
            raise TargetError(str(error)) from None

    def signature(
        self, environ: Mapping[str, str], webhook_id: str, sent_at: datetime, body: bytes
    ) -> str:
        """Return the header `webhook-signature`; `sent_at` is in UTC.

        Raises:
            TargetError: there is no secret to sign with now.
        """
        text = body.decode()
        keys = self.keys(environ)
        return " ".join(Webhook(key).sign(webhook_id, sent_at, text) for key in keys)


def read_sources(value: object, folder: Path) -> Signer:
    """Read one source of secrets, or a list; files are relative to a folder.

    Raises:
        ValueError: it is none; nothing of it is quoted.
    """
    values = value if isinstance(value, list) else [value]
    if not 0 < len(values) <= SECRETS_MAX:
        raise ValueError(f"must be one of {FORMS}, or a list of 1 to {SECRETS_MAX} of them")
    return Signer(tuple(_source(one, folder) for one in values))


def checked(texts: Sequence[str]) -> list[bytes]:
    """Decode secrets.

    Raises:
        SecretError: one is no secret, or easily guessed.
    """
    keys = signing_keys(texts)
    if any(len(key) < KEY_BYTES_MIN for key in keys):
        raise SecretError(f"a secret has {KEY_BYTES_MIN} bytes at the least; raphus routes secret")
    return keys


def _source(value: object, folder: Path) -> Source:
    form, _, rest = value.partition(":") if isinstance(value, str) else ("", "", "")
    if form == "env" and _VARIABLE.fullmatch(rest):
        return Source(form, rest)
    if form == "file" and rest and "\0" not in rest:
        return Source(form, str(folder.absolute() / Path(rest).expanduser()))
    if isinstance(value, str) and value.startswith(PREFIX):
        checked([value])
        return Source("text", value)
    raise ValueError(f"must be {FORMS}; raphus routes secret makes one")


def _content(path: Path) -> str:
    try:
        return content_of(path, FILE_BYTES_MAX).decode()
    except FileError as error:
        raise TargetError(str(error)) from None
    except UnicodeDecodeError:
        raise TargetError(f"{path.name} is not a text file") from None
