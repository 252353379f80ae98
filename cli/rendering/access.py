"""Access: the answer first, then why, on what it rests, and what is doubtful."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.rendering.pages import past_of
from cli.rendering.tables import show_line, show_table
from cli.rendering.words import NOTHING, counted, duration, moment, products_of
from domain.access.policy import table
from domain.entity import spoken

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from api.answers.access import AccessAnswer, Freshness
    from api.answers.persons import Person
    from api.http.questions import Past
    from domain.access.access import Access, Evidence
    from domain.access.doubts import Doubt
    from domain.access.policy import Policy


def show_access(console: Console, answer: AccessAnswer, query: Past) -> None:
    """Print an answer."""
    to = f" to {products_of(answer)}" if answer.product_id else ""
    show_line(console, f"{in_short(answer)}{to}{past_of(query)}")
    show_line(console, f"{answer.reason.code}: {answer.reason.text}")
    for line in who(answer.customers):
        show_line(console, line)
    _show_evidence(console, answer.rests_on)
    show_sureness(console, answer.doubts, answer.freshness)


def show_policy(console: Console, policy: Policy) -> None:
    """Print a policy as a table."""
    show_table(console, ("what", "gives access", "that is"), table(policy))


def in_short(access: Access) -> str:
    """Write whether there is access, and until when."""
    if not access.access:
        return "no access"
    return "access" if access.until is None else f"access until {moment(access.until)} (UTC)"


def who(customers: Sequence[Person]) -> Iterable[str]:
    """Write which customers the person is, and by which claim."""
    for one in customers:
        claim = one.claims[0]
        by = f", by {claim.key} of {spoken(claim.kind)} {claim.id} ({claim.webhook_id})"
        is_claimed = claim.key != "customer_id"
        yield f"customer {one.customer_id} of {one.business_id}{by if is_claimed else ''}"


def show_sureness(console: Console, doubts: Sequence[Doubt], freshness: Freshness) -> None:
    """Print what is doubtful, and how fresh the answer is."""
    for doubt in doubts:
        show_line(console, f"! {doubt.text}")
    lag = "nothing is missing of it"
    if freshness.lag_s:
        lag = f"what came in the last {duration(round(freshness.lag_s))} is missing"
    show_line(console, f"known up to position {freshness.position} of the log: {lag}")
    for last in freshness.last_webhooks:
        came = f"{last.type} ({last.webhook_id}), recorded {moment(last.recorded_at)} (UTC)"
        show_line(console, f"last webhook of {last.business_id}: {came}")


def _show_evidence(console: Console, rests_on: Sequence[Evidence]) -> None:
    if not rests_on:
        return
    show_line(console, f"It rests on {counted(len(rests_on), 'thing')}:")
    heads = "kind", "id", "status", "product", "by webhook", "of (UTC)"
    rows = [
        (
            spoken(one.kind),
            one.id,
            one.status or NOTHING,
            products_of(one),
            one.webhook_id,
            moment(one.occurred_at),
        )
        for one in rests_on
    ]
    show_table(console, heads, rows)
