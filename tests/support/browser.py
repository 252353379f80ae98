"""A real Chromium, in which a page has nothing to complain of."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

import pytest

from console.static_files import asset
from tests.support.samples import PROJECT
from tests.support.scratch import scratch
from tests.support.waiting import GUARD_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response

REQUIRED: Final = "RAPHUS_REQUIRE_CHROMIUM"
LEFT_OUT: Final = (
    "no Chromium is installed: the tests in a browser are left out. To have them: apt-get install"
    " chromium-headless-shell (Debian), or brew install chromium"
)
NAMES: Final = (
    "chromium-headless-shell",  # takes half the processor time of one that could have a window
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
)
ARGUMENTS: Final = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",  # which a browser of root's cannot have
)
HASTY: Final = "--js-flags=--no-opt --no-maglev"
"""Who looks at a page for a second: to make its scripts quick takes longer than to run them."""
_AXE: Final = PROJECT / "tests" / "support" / "vendor" / "axe.min.js"
_TELL: Final = """
    document.addEventListener("securitypolicyviolation", (event) => {
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
    });
"""
_NOT_LOADED: Final = "Failed to load resource"
_FIND: Final = """async (options) => (await axe.run(options)).violations.map((one) =>
    `${one.id}: ${one.help}: ${JSON.stringify(one.nodes.slice(0, 3).map((node) => node.html))}`)"""


def chromium() -> Path | None:
    """Find a Chromium."""
    found = filter(None, map(shutil.which, NAMES))
    return next(map(Path, found), None)


@contextmanager
def launched(*arguments: str) -> Iterator[Browser]:
    """Start a browser, for as long as the block lasts: tests of asyncio must not run in it.

    Without one the test is skipped, or fails where `RAPHUS_REQUIRE_CHROMIUM` is set.
    """
    path = chromium()
    if path is None:
        if os.environ.get(REQUIRED):
            pytest.fail(LEFT_OUT, pytrace=False)
        pytest.skip(LEFT_OUT)
    # It loads slowly, and most tests need none.
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    # What its processes share goes through memory where there is room, else through files.
    on_disk = "--disable-dev-shm-usage"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=[*ARGUMENTS, *arguments],
            ignore_default_args=[on_disk] if scratch() else None,
        )
        yield browser
        _left.clear()
        browser.close()


@contextmanager
def looking(
    browser: Browser,
    url: str,
    *,
    width: int = 1280,
    scheme: Literal["light", "dark"] = "light",
    scripts: bool = True,
    again: bool = False,
) -> Iterator[Page]:
    """Give a page of a browser of somebody's own, which may only go to a server.

    With `again` it may be one in which others looked at the same server before, and will after:
    to open one takes as long as to load two pages. What they left is gone but for what is cached.

    Whatever the page complains of, in its console, against its policy, of what it cannot load, or
    asks of another host, fails the test when the block ends. That a page itself is an error is the
    test's to look at.
    """
    key = (url, scripts)
    window = (_left.pop(key, None) if again else None) or _opened(browser, url, scripts=scripts)
    window.troubles.clear()
    window.page.set_viewport_size({"width": width, "height": 800})
    window.page.emulate_media(color_scheme=scheme, media="null")
    with ExitStack() as closing:
        closing.callback(window.page.context.close)
        yield window.page
        if again:
            _tidy(window.page)
            _left[key] = window
            closing.pop_all()
    assert window.troubles == [], f"the page complains: {window.troubles}"


@dataclass(frozen=True)
class _Window:
    page: Page
    troubles: list[str]


_left: Final[dict[tuple[str, bool], _Window]] = {}


def _opened(browser: Browser, url: str, *, scripts: bool) -> _Window:
    context = browser.new_context(base_url=url, java_script_enabled=scripts)
    context.set_default_timeout(GUARD_S * 1000)
    context.add_init_script(_TELL)
    page = context.new_page()
    return _Window(page, _watched(page, urlsplit(url).netloc))


def _tidy(page: Page) -> None:
    page.unroute_all()
    page.mouse.move(0, 0)
    page.context.clear_cookies()
    # A page of the same server that asks for nothing, and so needs no process of its own.
    page.goto(asset("favicon.svg"))


def sign_in(page: Page, key: str, to: str) -> None:
    """Give a key as a person does, and come to a page."""
    page.goto(f"/sign-in?to={to}")
    page.get_by_label("key").fill(key)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: urlsplit(url).path == to)


def _watched(page: Page, host: str) -> list[str]:
    troubles: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(_NOT_LOADED):
            troubles.append(f"{message.type}: {message.text}")

    def asked(request: Request) -> None:
        if urlsplit(request.url).netloc != host:
            troubles.append(f"asks {request.url}")

    def answered(response: Response) -> None:
        if response.status >= 400 and not response.request.is_navigation_request():
            troubles.append(f"{response.status}: {response.url}")

    page.on("console", said)
    page.on("pageerror", lambda error: troubles.append(f"fails: {error}"))
    page.on("dialog", lambda dialog: troubles.append(f"opens a dialog: {dialog.message}"))
    page.on("request", asked)
    page.on("response", answered)
    return troubles


def axe(page: Page, *rules: str) -> list[str]:
    """Return what is wrong for who cannot see the page, or not use a mouse, by axe's rules.

    By these of them, or by all.
    """
    page.evaluate(_AXE.read_text("utf-8"))
    options: dict[str, object] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = [*rules]
    found: list[str] = page.evaluate(_FIND, options)
    return found
