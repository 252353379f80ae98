"""An example of each operation, which a real server answered of a made-up merchant."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

Json: TypeAlias = "dict[str, Any]"  # a JSON document has no narrower type
PATH: Final = Path(__file__).with_name("openapi_examples.json")
"""The questions and answers by operation, as `python -m tests.support.openapi_examples` writes.

An answer is of the first media type that the operation has.
"""


def add_examples(paths: Json) -> None:
    """Give each operation of a document its example, if there is one."""
    examples = msgspec.json.decode(PATH.read_bytes()) if PATH.exists() else {}
    for path in paths.values():
        for operation in path.values():
            example = examples.get(operation["operationId"])
            if example is not None:
                _add(operation, example)


def _add(operation: Json, example: Json) -> None:
    for parameter in operation["parameters"]:
        if parameter["name"] in example["asked"]:
            parameter["example"] = example["asked"][parameter["name"]]
    content, *_ = operation["responses"]["200"]["content"].values()
    content["example"] = example["answer"]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content["example"] = example["body"]
