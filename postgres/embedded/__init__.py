"""The database that Raphus runs itself where DATABASE_URL names none."""

from __future__ import annotations

from postgres.embedded.errors import EmbeddedPostgresError
from postgres.embedded.supervisor import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]
