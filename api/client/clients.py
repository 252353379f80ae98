"""The two clients: one waits for answers, one is awaited. What they ask is described once."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Self, TypeVar

import httpx

from api.client import questions
from api.client.exchange import LOST, Server, answer_to, failures

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from api.client.exchange import Settings
    from api.client.questions import Question, Thing, Value

P = ParamSpec("P")
T = TypeVar("T")


def _answered(ask: Callable[P, Question[T]]) -> Callable[Concatenate[Raphus, P], T]:
    """Make of a question the method that waits for its answer."""

    @wraps(ask)
    def method(self: Raphus, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.answer(ask(*args, **kwargs))

    return method


def _awaited(ask: Callable[P, Question[T]]) -> Callable[Concatenate[AsyncRaphus, P], Awaitable[T]]:
    """Make of a question the method that is awaited."""

    @wraps(ask)
    async def method(self: AsyncRaphus, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.answer(ask(*args, **kwargs))

    return method


class Raphus(Server[httpx.Client]):
    """Asks a server, and waits for the answers; threads may share it.

    Every method raises RequestFailed where there is no answer: Unavailable where there may be one
    later, or else what the server says, such as 404 `not_found`.
    """

    def _open(self, settings: Settings) -> httpx.Client:
        return httpx.Client(**settings)

    access = _answered(questions.access)
    state = _answered(questions.state)
    customer = _answered(questions.customer)
    get = _answered(questions.get)
    webhook = _answered(questions.webhook)

    def list(self, of: type[Thing], **filters: Value) -> Iterator[Thing]:
        """Go through all things of a kind that meet the filters of its list, page by page."""
        question = questions.listed(of, filters)
        while True:
            page = self.answer(question)
            yield from page.items
            if page.next is None:
                return
            question = question.at(page.next)

    def answer(self, question: Question[T]) -> T:
        """Ask a question, once more if the connection is lost, and return the answer."""
        asked = self._asked(question)
        with failures():
            try:
                response = self._http.get(**asked)
            except LOST:
                response = self._http.get(**asked)
        return answer_to(question, response)

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncRaphus(Server[httpx.AsyncClient]):
    """Asks a server; the answers are awaited, and lists gone through by `async for`.

    Every method raises what those of `Raphus` raise.
    """

    def _open(self, settings: Settings) -> httpx.AsyncClient:
        return httpx.AsyncClient(**settings)

    access = _awaited(questions.access)
    state = _awaited(questions.state)
    customer = _awaited(questions.customer)
    get = _awaited(questions.get)
    webhook = _awaited(questions.webhook)

    async def list(self, of: type[Thing], **filters: Value) -> AsyncIterator[Thing]:
        """Go through all things of a kind that meet the filters of its list, page by page."""
        question = questions.listed(of, filters)
        while True:
            page = await self.answer(question)
            for item in page.items:
                yield item
            if page.next is None:
                return
            question = question.at(page.next)

    async def answer(self, question: Question[T]) -> T:
        """Ask a question, once more if the connection is lost, and return the answer."""
        asked = self._asked(question)
        with failures():
            try:
                response = await self._http.get(**asked)
            except LOST:
                response = await self._http.get(**asked)
        return answer_to(question, response)

    async def close(self) -> None:
        """Close the connections that are kept open."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
