"""Asks Dodo's API, page by page or thing by thing, and says what the answers mean."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeVar

import msgspec

from dodo.connection import Answer, Connection, NoAnswerError
from dodo.endpoints import BRANDS, WEBHOOKS
from dodo.errors import (
    DodoAwayError,
    DodoError,
    ForbiddenError,
    GoneError,
    KeyRefusedError,
    LimitedError,
    RefusedError,
    UnreadableAnswerError,
)
from dodo.pace import http_date

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from dodo.connection import Parameter
    from dodo.endpoints import Endpoint, ListEndpoint, OneEndpoint
    from dodo.pace import Pace

T = TypeVar("T")
Mode = Literal["test_mode", "live_mode"]

ADDRESSES: Final[Mapping[Mode, str]] = {
    "test_mode": "https://test.dodopayments.com",
    "live_mode": "https://live.dodopayments.com",
}
"""As the SDK has them (`_client.py`). It would take live_mode by itself: here a mode is chosen."""
PAGE_SIZE: Final = 100
"""The most that Dodo allows."""
WEBHOOK_PAGES_MAX: Final = 10

_ID: Final = re.compile(r"(?!\.+$)[!-~]{1,255}")
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Page(NamedTuple):
    """Some items of a list, each as it came, to the byte. `at` is not after they were true."""

    items: list[bytes]
    at: datetime


class Found(NamedTuple):
    """One thing as it came, to the byte. `at` is not after it was true."""

    data: bytes
    at: datetime


class WebhookEndpoint(msgspec.Struct, frozen=True):
    """An endpoint that Dodo sends webhooks to; without `filter_types`, those of every type."""

    url: str
    disabled: bool | None = None
    filter_types: list[str] | None = None


class _Page(msgspec.Struct):
    items: list[msgspec.Raw]


class _Brand(msgspec.Struct):
    business_id: str


class _Brands(msgspec.Struct):
    items: list[_Brand]


class _Webhooks(msgspec.Struct):
    data: list[WebhookEndpoint]
    done: bool = True
    iterator: str | None = None


class _Complaint(msgspec.Struct):
    code: str | None = None


class Dodo:
    """Dodo's API with one key in one mode; for one thread. Use it in a `with`, which closes it.

    Each question is tried again while Dodo is away or asks to wait, as the pace says. All of them
    raise DodoError: KeyRefusedError, ForbiddenError, LimitedError, DodoAwayError, StoppedError,
    and UnreadableAnswerError where what came is no answer of Dodo's.
    """

    def __init__(
        self, api_key: str, mode: Mode, *, base_url: str | None = None, pace: Pace
    ) -> None:
        self._mode = mode
        self._pace = pace
        self._address = base_url or ADDRESSES[mode]
        self._connection = Connection(api_key, self._address)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def page(
        self,
        endpoint: ListEndpoint,
        number: int = 0,
        *ids: str,
        size: int = PAGE_SIZE,
        parameters: Mapping[str, str] | None = None,
    ) -> Page:
        """Read a page of a list; pages are counted from 0, and the end is an empty one.

        Raises:
            RefusedError: Dodo does not take a parameter, or does not go to so late a page.
            GoneError: what the list belongs to, by its ids, is not there.
        """
        asked: dict[str, Parameter] = {"page_number": number, "page_size": size}
        at, answer = self._ask(endpoint, ids, {**endpoint.only, **(parameters or {}), **asked})
        if answer.status == 404:
            raise GoneError(f"Dodo no longer has what {endpoint.source} belongs to")
        items = [bytes(item) for item in _decoded(endpoint, answer, _Page).items]
        if not all(item.startswith(b"{") for item in items):
            raise _unreadable(endpoint, "an item is no object")
        return Page(items, at)

    def one(self, endpoint: OneEndpoint, *ids: str) -> Found | None:
        """Read one thing; None where Dodo does not have it.

        A 404 that is a web page is not Dodo's word, but that of something in between. What cannot
        be an id in a path is not asked for.
        """
        if not all(_ID.fullmatch(id_) for id_ in ids):
            return None
        at, answer = self._ask(endpoint, ids, {})
        if answer.status == 404:
            return None
        data = bytes(_decoded(endpoint, answer, msgspec.Raw)).strip()
        if not data.startswith(b"{"):
            raise _unreadable(endpoint, "it is no object")
        return Found(data, at)

    def business_id(self) -> str:
        """Tell whose key it is: subscriptions and other things do not say it themselves."""
        _, answer = self._ask(BRANDS, (), {})
        businesses = {brand.business_id for brand in _decoded(BRANDS, answer, _Brands).items}
        if len(businesses) != 1 or "" in businesses:
            raise _unreadable(BRANDS, f"it is about {len(businesses)} businesses")
        return businesses.pop()

    def webhooks(self) -> list[WebhookEndpoint]:
        """Tell where Dodo sends webhooks to, and which."""
        found: list[WebhookEndpoint] = []
        asked: dict[str, Parameter] = {"limit": PAGE_SIZE}
        for _ in range(WEBHOOK_PAGES_MAX):
            _, answer = self._ask(WEBHOOKS, (), asked)
            page = _decoded(WEBHOOKS, answer, _Webhooks)
            found += page.data
            if page.done or not page.iterator:
                break
            asked["iterator"] = page.iterator
        return found

    def _ask(
        self, endpoint: Endpoint, ids: tuple[str, ...], asked: Mapping[str, Parameter]
    ) -> tuple[datetime, Answer]:
        """Ask until there is an answer that is about the question; give its time with it."""
        parameters = {**dict(zip(endpoint.ids, ids, strict=True)), **asked}
        problem = ""
        for failures in range(1, self._pace.attempts_max + 1):
            self._pace.turn()
            asked_at = datetime.now(UTC)
            headers: Mapping[str, str] = {}
            try:
                answer = self._connection.get(endpoint.method, parameters)
            except NoAnswerError as error:
                problem = str(error)
            else:
                headers = answer.headers
                if not _is_passing(answer.status):
                    self._pace.heed(headers)
                    self._check(endpoint, answer)
                    return min(asked_at, http_date(headers.get("date", "")) or asked_at), answer
                problem = str(answer.status)
            self._pace.failed(failures, headers)
        raise self._given_up(endpoint, problem)

    def _check(self, endpoint: Endpoint, answer: Answer) -> None:
        """Raise what an answer means that is neither there nor 404."""
        match answer.status:
            case 200:
                return
            case 401:
                other = "live" if self._mode == "test_mode" else "test"
                raise KeyRefusedError(
                    f"Dodo refuses DODO_PAYMENTS_API_KEY in {self._mode} ({self._address}): it is"
                    f" wrong or revoked, or a key of {other} mode, which"
                    " DODO_PAYMENTS_ENVIRONMENT would have to name"
                )
            case 403:
                raise ForbiddenError(
                    f"the key in DODO_PAYMENTS_API_KEY may not read {endpoint.source}: make one in"
                    " Dodo's dashboard that may read everything; it need not write"
                )
            case 404 if _is_of_dodo(answer):
                return
            case status if 300 <= status < 400:
                raise _unreadable(endpoint, f"it leads elsewhere ({status}), where no key is sent")
            case 404:
                raise _unreadable(endpoint, "it is a 404 that Dodo did not write")
            case status:
                raise RefusedError(f"Dodo refuses {endpoint.source}: {status}{_code(answer)}")

    def _given_up(self, endpoint: Endpoint, problem: str) -> DodoError:
        attempts = self._pace.attempts_max
        if problem == "429":
            return LimitedError(
                f"Dodo allows no more requests (429 to {attempts} attempts). Ask less often by"
                " RAPHUS_DODO_REQUESTS_PER_MINUTE, or later: what was read until now is kept",
                self._pace.again_at(),
            )
        return DodoAwayError(
            f"Dodo does not answer {endpoint.source} at {self._address} ({problem}, {attempts}"
            " attempts): try again later. What was read until now is kept"
        )


def _is_passing(status: int) -> bool:
    """Tell whether an answer is about the moment, and not about the question."""
    return status >= 500 or status in {408, 425, 429}


def _decoded(endpoint: Endpoint, answer: Answer, type_: type[T]) -> T:
    """Read an answer, which must be JSON in UTF-8 of this shape."""
    try:
        answer.content.decode()
        return msgspec.json.decode(answer.content, type=type_)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        # Their texts quote what came.
        raise _unreadable(endpoint, "it has not the shape that Dodo documents") from None


def _is_of_dodo(answer: Answer) -> bool:
    """Tell whether an error may be Dodo's: an object of JSON, or no body, as was seen of 401."""
    if not answer.content.strip():
        return True
    try:
        msgspec.json.decode(answer.content, type=_Complaint)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _code(answer: Answer) -> str:
    """Dodo's word for what it refuses, where it has one; its sentence may quote what was asked."""
    try:
        code = msgspec.json.decode(answer.content, type=_Complaint).code or ""
    except (msgspec.DecodeError, RecursionError):
        return ""
    return f" {code}" if _CODE.fullmatch(code) else ""


def _unreadable(endpoint: Endpoint, why: str) -> UnreadableAnswerError:
    return UnreadableAnswerError(
        f"Dodo's answer to {endpoint.source} cannot be read: {why}. Nothing of it was taken; if it"
        " stays so, a newer Raphus may know the shape"
    )
