"""The policy of access as it stands in its file now, for commands that answer by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.settings import SettingsError

if TYPE_CHECKING:
    from cli.settings import Settings
    from domain.access.policy import Policy


def read_policy(settings: Settings) -> Policy:
    """Read the policy, where nothing of an earlier time counts.

    Raises:
        SettingsError: the file is wrong; the message names the line, and what is expected.
    """
    file = settings.rules().policy
    policy = file.current()
    if file.problem is not None:
        raise SettingsError(file.problem)
    return policy
