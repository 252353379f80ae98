"""A folder with a merchant's own transformations, and what comes of them."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from textwrap import dedent
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.support.samples import sample
from tests.support.triggers import trigger
from workflows.job_arguments import Cancelled, TransformationError, Transformer
from workflows.routes.routes_file import read_routes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from workflows.routes.routes_file import Route
    from workflows.transforms.custom_code import Language
    from workflows.trigger import Trigger

GUARD_S: Final = 60.0
"""Against a hang; what is tested ends by itself."""
FINE: Final[dict[Language, str]] = {
    "javascript": "function handler(webhook) { return webhook; }",
    "python": "def shape(fact): return fact['payload']",
}
OPENED: Final = trigger({**sample("dispute.opened")})


class Shop:
    """A folder with a merchant's files, and the routes that are transformed by them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def route(
        self, language: Language, source: str, file: str = "ours", target: str = 'script = "f/a/b"'
    ) -> Route:
        """Declare a route whose transformation is some code: `handler` or `shape`."""
        named = f"{file}.js" if language == "javascript" else f"{file}.py:shape"
        (self.folder / named.partition(":")[0]).write_text(dedent(source))
        declared = self.folder / "windmill.toml"
        declared.write_text(
            f'[[route]]\nname = "x"\non = ["*"]\n{target}\ntransformation = "{language}:{named}"\n'
        )
        return read_routes(declared)[0]

    def built_in(self, transformation: str) -> Route:
        """Declare a route whose transformation is a built-in one."""
        declared = self.folder / "windmill.toml"
        declared.write_text(
            '[[route]]\nname = "x"\non = ["*"]\nscript = "f/a/b"\n'
            f'transformation = "{transformation}"\n'
        )
        return read_routes(declared)[0]

    def outcomes(
        self, *given: tuple[Route, Trigger], deadline_s: float = GUARD_S
    ) -> list[bytes | Exception]:
        """Transform one after the other, by one transformer; what is raised stands in its place.

        The deadline is the first one's: the others are to be answered, if it takes a while.
        """

        async def made() -> list[bytes | Exception]:
            transformer = Transformer(deadline_s)
            try:
                return await _outcomes(transformer, given)
            finally:
                await transformer.close()

        return asyncio.run(made())

    def arguments(self, route: Route, given: Trigger = OPENED) -> dict[str, Any]:
        """Return the arguments of a job as its script gets them."""
        (made,) = self.outcomes((route, given))
        if isinstance(made, Exception):
            raise made
        read: dict[str, Any] = json.loads(made)
        return read

    def problem(self, language: Language, source: str, deadline_s: float = GUARD_S) -> str:
        """Return what is said of code that fails; other code that runs next is not harmed."""
        failing, fine = self.route(language, source), self.route(language, FINE[language], "fine")
        failed, made = self.outcomes((failing, OPENED), (fine, OPENED), deadline_s=deadline_s)
        assert isinstance(failed, TransformationError)
        assert isinstance(made, bytes)
        assert json.loads(made) == OPENED.payload
        return str(failed)


class LastingShop(Shop):
    """A shop whose code runs in the sandboxes of others, as all of one merchant's code does."""

    def __init__(self, folder: Path, sandboxes: Sandboxes) -> None:
        super().__init__(folder)
        self._sandboxes = sandboxes

    def outcomes(
        self, *given: tuple[Route, Trigger], deadline_s: float = GUARD_S
    ) -> list[bytes | Exception]:
        """Transform one after the other; the deadline is that of the sandboxes."""
        assert deadline_s == GUARD_S
        return self._sandboxes.runner.run(_outcomes(self._sandboxes.transformer, given))


class Sandboxes(NamedTuple):
    """What transforms for several shops, and the loop that it lives in."""

    runner: asyncio.Runner
    transformer: Transformer


@contextmanager
def sandboxes() -> Iterator[Sandboxes]:
    """Keep sandboxes until the block ends: to start one takes much longer than most calls."""
    with asyncio.Runner() as runner:
        transformer = Transformer(GUARD_S)
        try:
            yield Sandboxes(runner, transformer)
        finally:
            runner.run(transformer.close())


async def _outcomes(
    transformer: Transformer, given: Sequence[tuple[Route, Trigger]]
) -> list[bytes | Exception]:
    made: list[bytes | Exception] = []
    for route, one in given:
        for sandbox in transformer._sandboxes.values() if made else ():
            sandbox._deadline_s = GUARD_S
        try:
            made.append(await transformer.arguments(route, one))
        except (TransformationError, Cancelled) as error:
            made.append(error)
    return made
