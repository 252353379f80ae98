"""The kind of an aggregate, its tenant and Dodo's id, joined to be told apart."""

from __future__ import annotations


def stream_id(*parts: str) -> str:
    """Join parts to a stream's id; different parts never give the same id."""
    joined = "/".join(parts)
    if "%" not in joined and joined.count("/") == len(parts) - 1:  # as all of Dodo's ids are
        return joined
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)


def parts_of(joined: str) -> list[str]:
    """Return the parts that a stream's id was joined from."""
    if "%" not in joined:
        return joined.split("/")
    return [part.replace("%2F", "/").replace("%25", "%") for part in joined.split("/")]
