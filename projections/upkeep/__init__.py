"""Upkeep: proving the log, comparing and rebuilding the read models, and what came of it."""
