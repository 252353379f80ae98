"""Makes the pictures of the docs: `python -m tests.support.screenshots`, of the demo's console."""

from __future__ import annotations

import re
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from tests.support.browser import launched, looking
from tests.support.program import RAPHUS, environment
from tests.support.samples import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER: Final = PROJECT / "docs" / "images"
_OPEN: Final = re.compile(r"Open (http://\S+)/ in a browser")


def main() -> None:
    """Look at some pages of the demo, and keep what is seen."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, _demo(Path(home)) as url, launched() as browser:
        for name, path in _pages(url).items():
            with looking(browser, url, width=1100) as page:
                page.goto(path, wait_until="load")
                page.wait_for_timeout(1_000)
                page.screenshot(path=FOLDER / f"{name}.png", animations="disabled")
                print(f"{FOLDER.relative_to(PROJECT)}/{name}.png", path)


def _pages(url: str) -> dict[str, str]:
    """Return the page of each picture; the customer is whoever has most to show."""
    customers = httpx.get(f"{url}/v1/customers?limit=100").json()["items"]
    fullest = max(customers, key=lambda one: (one["open_disputes"], one["subscriptions"]))
    return {
        "today": "/",
        "customer": f"/customers/{fullest['customer_id']}",
        "mrr": "/revenue/mrr?currency=USD",
    }


@contextmanager
def _demo(home: Path) -> Iterator[str]:
    """Run the demo until the block ends; gives its address."""
    command = [str(RAPHUS), "demo"]
    with subprocess.Popen(
        command, env=environment(home), stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        try:
            assert process.stdout is not None
            found = (_OPEN.search(line) for line in process.stdout)
            yield next(match[1] for match in found if match)
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
