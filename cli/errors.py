"""Errors: what a command itself has to say when it fails."""

from __future__ import annotations


class CommandError(Exception):
    """A command could not do what it was asked for."""
