"""Embedded PostgreSQL: the database that Raphus runs itself where DATABASE_URL names none."""

from __future__ import annotations

from api.embedded.errors import EmbeddedPostgresError
from api.embedded.supervisor import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]
