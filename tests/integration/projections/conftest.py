"""What rebuilds have to mend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.http_server import copied, filled
from tests.support.rebuilds import tamper

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def spoilt(cluster: str, template: str) -> str:
    """Make a database whose read models are not what history says, to be copied."""
    return filled(cluster, template, "spoilt", tamper)


@pytest.fixture
def tampered(cluster: str, spoilt: str) -> Iterator[str]:
    """Give a database whose read models are not what history says."""
    with copied(cluster, spoilt) as conninfo:
        yield conninfo
