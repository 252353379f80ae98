"""Announcements: what Raphus itself says has changed, in envelopes such as Dodo's."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from domain.aggregates.own_events import OwnEvents
from domain.stream_id import stream_id

if TYPE_CHECKING:
    from collections.abc import Mapping

ANNOUNCEMENT: Final = "announcement"
"""The first part of the stream ids of announcements: no delivery from outside is routed there."""

Family = Literal["access", "anomaly", "import"]
TYPES: Final[Mapping[Family, tuple[str, ...]]] = {
    "access": ("access.granted", "access.revoked"),
    "anomaly": ("anomaly.opened", "anomaly.settled"),
    "import": ("import.finished",),
}
"""The types of announcements, by what they are about; none is one of Dodo's (docs/dodo.md)."""
FAMILY_OF: Final = {type_: family for family, types in TYPES.items() for type_ in types}


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Because of what something is announced.

    `kind` is `webhook`, or `look` where Dodo's API said it, with the event's `webhook_id` and
    `type`; `clock`, with the instant `at` which ended or began something by itself; `policy`, where
    the policy of access is another one; `release`, where Raphus itself reads the log otherwise.
    """

    kind: Literal["webhook", "look", "clock", "policy", "release"]
    webhook_id: str | None = None
    type: str | None = None
    at: datetime | None = None


class Announcement(NamedTuple):
    """What is to be said: of which type, of which business, and about what.

    `subject` names within the family what it is about: what is said of it stands in one stream.
    """

    type: str
    business_id: str
    subject: tuple[str, ...]
    at: datetime
    data: msgspec.Struct

    @property
    def stream(self) -> str:
        """The id of its stream."""
        family = FAMILY_OF[self.type]
        return stream_id(ANNOUNCEMENT, self.business_id, family, *self.subject)

    @property
    def body(self) -> bytes:
        """What stands in the log."""
        return msgspec.json.encode(_Body(self.business_id, self.type, self.at, self.data))


class _Body(msgspec.Struct, frozen=True):
    business_id: str
    type: str
    timestamp: datetime
    data: Any


def is_announcement(stream: str) -> bool:
    """Tell whether a stream is one of announcements, and so not from outside."""
    return stream.startswith(f"{ANNOUNCEMENT}/")


class Announcements(OwnEvents):
    """What was announced about one subject."""

    name = ANNOUNCEMENT
