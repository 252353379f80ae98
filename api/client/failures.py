"""How asking fails: what the server says of it, or that none has answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class RequestFailed(Exception):
    """There is no answer.

    `status` is the HTTP status, None where no server answered. `code` is for programs: the
    server's, or `unexpected` and `unreadable` for what is not Raphus, or is a newer one.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        details: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = dict(details or {})
        self.retry_after_s = retry_after_s


class Unavailable(RequestFailed):
    """There is no answer now, and the same question may have one later.

    Either the server says so (503, with `retry_after_s`), or a proxy before it does, or nobody
    answered: then `status` is None and `code` is `unreachable`, or `timeout`.
    """
