"""What a command itself has to say when it fails."""

from __future__ import annotations

from telemetry.errors import RaphusError


class CommandError(RaphusError):
    """A command could not do what it was asked for."""
