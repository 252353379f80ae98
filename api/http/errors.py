"""The one shape in which every refusal is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from api.http.responses import Response, response
from domain.entity import spoken
from telemetry.errors import RaphusError

if TYPE_CHECKING:
    from collections.abc import Mapping

Detail: TypeAlias = str | int | float | list[str] | None


class Problem(msgspec.Struct):
    """What went wrong: a `code` for programs, a `message` for people."""

    code: str
    message: str
    details: dict[str, Detail]


class ErrorBody(msgspec.Struct):
    """The body of every answer that is an error."""

    error: Problem


class ApiError(RaphusError):
    """A request is answered with an error. The message quotes nothing that is not public."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Mapping[str, Detail] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.exit_code = 2 if status == 400 else 1
        self.body = ErrorBody(Problem(code, message, dict(details or {})))
        self.headers = {
            name.encode(): value.encode("latin-1") for name, value in (headers or {}).items()
        }

    def response(self) -> Response:
        """Return what is sent."""
        return response(self.body, self.status, self.headers)


class InvalidParameterError(ApiError):
    """The parameter of this name has a value that it must not have."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(400, "invalid_parameter", f"{name} {problem}", {"parameter": name})
        self.name = name
        self.problem = problem


def not_now(
    code: str, message: str, details: Mapping[str, Detail] | None = None, retry_s: int = 1
) -> ApiError:
    """Return a 503 that says when to try again."""
    return ApiError(503, code, message, details, {"retry-after": str(retry_s)})


INTERNAL = ApiError(500, "internal", "a defect in Raphus; the log of the server has the details")


def never_seen(kind: str) -> ApiError:
    """Return the error for an id that nothing is known of."""
    return ApiError(404, "not_found", f"no {spoken(kind)} with this id has been seen")
