"""What the program that starts jobs is told, and what it is to those who keep it running."""

from __future__ import annotations

from typing import Final

import msgspec

from telemetry.kept_process import Program

PROGRAM: Final = Program("workflows.worker_process", "starts Windmill's jobs", end_s=10.0)


class Task(msgspec.Struct):
    """What is to be worked with: the database, the routes, where Windmill is, and the policy.

    Where there is no file of the policy, it is the default one.
    """

    conninfo: str
    routes_path: str
    base_url: str | None
    workspace: str | None
    token: str | None
    policy_path: str = "raphus.toml"
    policy_required: bool = False
