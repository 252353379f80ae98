"""A folder of everything, loaded as docs/exports.md says: of each key the row of the last run."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any, Final, TypeAlias

from pyarrow import parquet  # type: ignore[import-untyped]

Json: TypeAlias = "dict[str, Any]"  # a JSON document has no narrower type
Key: TypeAlias = tuple[str, ...]
ADDED: Final = ("_run", "_position", "_deleted")
OURS: Final = {"manifest.json", "state.sqlite"}


def manifest_of(folder: Path) -> Json:
    """Read what a folder says of itself."""
    read: Json = json.loads((folder / "manifest.json").read_bytes())
    return read


def loaded(folder: Path) -> dict[str, dict[Key, Json]]:
    """Load the rows of every table by their keys; every file must be what the manifest says."""
    manifest = manifest_of(folder)
    tables: dict[str, dict[Key, Json]] = {}
    for name, table in manifest["tables"].items():
        rows: dict[Key, Json] = {}
        for file in table["files"]:
            data = (folder / file["file"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == file["sha256"]
            assert len(data) == file["bytes"]
            found = _rows(folder / file["file"])
            assert len(found) == file["rows"] > 0
            for row in found:
                assert int(row["_run"]) == file["run"] <= manifest["run"]
                assert int(row["_position"]) == file["position"] <= manifest["position"]
                key = tuple(str(row[one]) for one in table["key"])
                if key not in rows or int(rows[key]["_run"]) < int(row["_run"]):
                    rows[key] = row
        tables[name] = {
            key: {one: value for one, value in row.items() if one not in ADDED}
            for key, row in rows.items()
            if row["_deleted"] not in {True, "true"}
        }
        assert len(tables[name]) == table["rows"], name
    return tables


def leftovers(folder: Path) -> set[str]:
    """Return the files that no manifest names."""
    files = {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()}
    tables = manifest_of(folder)["tables"].values()
    return files - OURS - {file["file"] for table in tables for file in table["files"]}


def _rows(file: Path) -> list[Json]:
    if file.suffix == ".jsonl":
        return [json.loads(line) for line in file.read_bytes().splitlines()]
    if file.suffix == ".parquet":
        rows: list[Json] = parquet.read_table(file).to_pylist()
        return rows
    with file.open(encoding="utf-8", newline="") as opened:
        return [dict(row) for row in csv.DictReader(opened, strict=True)]
