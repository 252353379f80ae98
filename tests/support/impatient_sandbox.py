"""A sandbox that gives JavaScript a tenth of its time, so that little is burnt to meet it."""

from __future__ import annotations

import sys
from typing import Final

from workflows.transforms import javascript, sandbox_worker

TIME_S_MAX: Final = 0.2


def main() -> int:
    """Do what the sandbox does."""
    javascript.TIME_S_MAX = TIME_S_MAX  # type: ignore[misc]
    return sandbox_worker.main()


if __name__ == "__main__":
    sys.exit(main())
