"""What a person should see to at Dodo, where webhooks are lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from dodo.errors import DodoError, StoppedError
from domain.aggregates.routing import types_taken

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dodo.client import Dodo, WebhookEndpoint
    from reconciliation.finding import Finding

PATH: Final = "/webhooks/dodo"
"""Where the server takes webhooks; a proxy may have another path for it."""
TYPES_SHOWN_MAX: Final = 5


def advice(dodo: Dodo, findings: Sequence[Finding]) -> list[str]:
    """Tell what of Dodo's own settings keeps webhooks away, and what can be sent again."""
    try:
        endpoints = dodo.webhooks()
    except StoppedError:
        raise
    except DodoError as error:
        return [*_replay(findings), f"whether Dodo sends webhooks here cannot be told: {error}"]
    return [*_replay(findings), *_of_endpoints(endpoints)]


def _of_endpoints(endpoints: Sequence[WebhookEndpoint]) -> Iterator[str]:
    if not endpoints:
        yield "Dodo has no webhook endpoint: add one in its dashboard, under Developer, Webhooks"
        return
    ours = [one for one in endpoints if urlsplit(one.url).path.rstrip("/").endswith(PATH)]
    if not ours and all(one.disabled for one in endpoints):
        yield "every webhook endpoint is disabled at Dodo: enable the one that leads here"
    for one in ours:
        # Nothing but the host: an address may hold a token.
        host = urlsplit(one.url).hostname or "an unknown host"
        if one.disabled:
            yield f"the webhook endpoint at {host} is disabled at Dodo: enable it in its dashboard"
        missing = sorted(types_taken() - set(one.filter_types)) if one.filter_types else []
        if missing:
            shown = ", ".join(missing[:TYPES_SHOWN_MAX])
            more = ", …" if len(missing) > TYPES_SHOWN_MAX else ""
            yield (
                f"the webhook endpoint at {host} is sent some types only: {len(missing)} are"
                f" missing ({shown}{more})"
            )


def _replay(findings: Sequence[Finding]) -> Iterator[str]:
    types = sorted({type_ for one in findings for type_ in one.types})
    if types:
        since = min(one.since for one in findings if one.types)
        until = max(one.since for one in findings if one.types)
        shown = ", ".join(types[:TYPES_SHOWN_MAX]) + (", …" * (len(types) > TYPES_SHOWN_MAX))
        yield (
            "the facts themselves can be sent again: in Dodo's dashboard, under Developer,"
            f" Webhooks, replay {shown} from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"
        )
