"""What may be said of an error in a log, where its text could quote a body or a row."""

from __future__ import annotations

import traceback
from pathlib import Path


def kind_of(error: BaseException) -> str:
    """Return the kind of an error, or of what the library wrapped into it."""
    return type(error.__cause__ or error).__name__


def origin_of(error: BaseException) -> str:
    """Return the kind of an error and the line that it comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
