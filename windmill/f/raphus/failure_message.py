"""Tell a Slack channel, or a Discord channel, that a script or flow of Windmill's has failed.

Windmill starts it: as the error handler of the workspace (Settings, Error handler, Custom script),
of a schedule (`on_failure`), or as the last step of a flow (`failure_module`). It tells what
failed, the name of the error and where to look, and not what the error says: that may be about
somebody. A job that Raphus started is `failed` in Raphus, too.
"""

from __future__ import annotations

import os
from typing import Any

from f.raphus.given import Resource, this_job
from f.raphus.messages import chat_once

# Windmill knows the type of a resource by these names.
discord_webhook = Resource
postgresql = Resource
slack = Resource


def main(
    path: str | None = None,
    error: dict[str, Any] | None = None,
    job_id: str | None = None,
    schedule_path: str | None = None,
    workspace_id: str | None = None,
    channel: str = "#errors",
    slack: slack = "$res:f/raphus/slack",
    slack_url: str = "https://slack.com/api/chat.postMessage",
    discord: discord_webhook = "",
    database: postgresql = "$res:f/raphus/database",
) -> dict[str, Any]:
    """Tell of one job that failed."""
    told, failed = error or {}, job_id or this_job()
    inner = told.get("error")
    name = (inner if isinstance(inner, dict) else told).get("name") or "an error"
    workspace = workspace_id or os.environ.get("WM_WORKSPACE", "")
    base = os.environ.get("WM_BASE_URL", "").rstrip("/")
    lines = [
        f"{path or os.environ.get('WM_JOB_PATH') or 'A flow'} has failed: {name}",
        f"Schedule: {schedule_path}" if schedule_path else "",
    ]
    text, link = "\n".join(filter(None, lines)), f"{base}/run/{failed}?workspace={workspace}"
    key = f"failure_message {failed}"
    done = chat_once(database, key, text, channel, slack, slack_url, discord, link)
    return {"told": done, "job_id": failed}
