"""What goes wrong with the embedded database."""

from __future__ import annotations

from telemetry.errors import RaphusError

ADVICE = "Set RAPHUS_HOME to another directory, or DATABASE_URL to a PostgreSQL server of your own."
"""What a user can do who cannot use the embedded database as it is."""


class EmbeddedPostgresError(RaphusError):
    """The embedded database cannot be used; the message says why and what to do."""
