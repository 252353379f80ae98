"""Spoken: how the kinds of things are named in messages."""

from __future__ import annotations

from api.errors import ApiError


def never_seen(kind: str) -> ApiError:
    """Return the error for an id that nothing is known of."""
    return ApiError(404, "not_found", f"no {spoken(kind)} with this id has been seen")


def spoken(name: str) -> str:
    """Return a resource's name as it is said."""
    return name.replace("_", " ").replace("license", "licence")
