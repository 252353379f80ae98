"""The examples of /openapi.json are what the server answers today."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.openapi_examples import PATH
from tests.support.openapi_examples import examples, written

if TYPE_CHECKING:
    from pathlib import Path


def test_the_examples_are_up_to_date(database: str, tmp_path: Path) -> None:
    told = "run: .venv/bin/python -m tests.support.openapi_examples"
    assert PATH.read_text("utf-8") == written(examples(database, tmp_path)), told
