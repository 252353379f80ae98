"""Where Dodo's API is read, as the settings and the command say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dodo.pace import Pace
from reconciliation.session import Source

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from cli.settings import Settings


def add_business(command: ArgumentParser) -> None:
    """Take which business is meant."""
    command.add_argument(
        "--business",
        metavar="ID",
        help="the business that the key must be of; needed where only others are known here",
    )


def source_of(settings: Settings, pace: Pace | None = None) -> Source:
    """Return where to read, at the pace of the settings unless another one is given.

    Raises:
        SettingsError: there is no key.
    """
    asked = settings.asked_of_dodo()
    pace = pace or Pace(asked.requests_per_minute)
    return Source(asked.api_key, asked.mode, pace, asked.base_url)
