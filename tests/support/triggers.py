"""A body delivered after others, in memory, and judged as the log would judge it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.aggregates.routing import route
from domain.delivery import Delivery
from tests.support.histories import aggregates, delivery
from workflows.outbox.due_facts import trigger as judged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workflows.trigger import Trigger


def trigger(
    body: bytes | Mapping[str, object] | Delivery,
    *earlier: Delivery,
    replay: int = 0,
) -> Trigger:
    """Make the trigger of a body that is delivered after others, under the id `msg_this`.

    Raises:
        ValueError: the body is unreadable, and so no trigger.
    """
    last = body if isinstance(body, Delivery) else delivery(body, "msg_this")
    known = aggregates([*earlier, last])[route(last).stream_id]
    found = judged(known, last.webhook_id)
    if found is None:
        raise ValueError("the body is unreadable")
    return found._replace(replay=replay)
