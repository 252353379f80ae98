"""A whole URL as it stands in a merchant's file."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urlsplit

URL_CHARS_MAX: Final = 2_000
_WANTED: Final = "must be a whole URL, beginning with https:// or http://"


def split_url(value: object) -> SplitResult:
    """Split a URL of http or https; what is wrong is told without quoting it: it may be a secret.

    Raises:
        ValueError: it is none, or has what a URL of a target may not have.
    """
    if not isinstance(value, str) or len(value) > URL_CHARS_MAX:
        raise ValueError(f"{_WANTED}, of {URL_CHARS_MAX} characters at most")
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError(f"{_WANTED}, without spaces; other than ASCII characters are written %XX")
    try:
        parts = urlsplit(value)
        is_usable = parts.scheme in {"https", "http"} and parts.hostname and parts.port != 0
    except ValueError:
        raise ValueError(f"{_WANTED}, with a host and perhaps a port") from None
    if not is_usable:
        raise ValueError(f"{_WANTED}, with a host and perhaps a port")
    if parts.username is not None or parts.fragment:
        raise ValueError("must be a URL without user name, password and #…")
    return parts
