"""What others have written is what its table says, to the byte."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import pytest

from tests.support.samples import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

ROW = r"^\| `(\S+)` \| \S+ \| \S+ \| `\S+` \| [^|]+, `(\S+)` \| `([0-9a-f]{64})` \|$"
FOLDERS = [PROJECT / "console" / "static" / "vendor", PROJECT / "tests" / "support" / "vendor"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parents[1].name)
def test_each_vendored_file_has_its_version_licence_and_hash(folder: Path) -> None:
    table = (folder / "README.md").read_text("utf-8")
    rows = re.findall(ROW, table, re.MULTILINE)
    told = {name: hash_ for name, _, hash_ in rows}
    files = {path.name for path in folder.iterdir() if path.suffix in {".js", ".css"}}
    assert told.keys() == files
    assert told == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files
    }
    assert all((folder / licence).stat().st_size for _, licence, _ in rows)
