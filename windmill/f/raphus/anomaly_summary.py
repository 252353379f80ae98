"""Sum up what is wrong now: how much of each sort, how much money, the newest, and what to do.

It asks Raphus for its anomalies, returns them by code, and tells them to a Slack channel if one is
given (an incoming webhook as `slack_url` has a channel of its own: give that), once a day. Where
nothing is wrong it tells nobody. Started by the schedule beside this file, every morning; no route
is needed.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from f.raphus.given import Resource
from f.raphus.messages import chat_once
from f.raphus.raphus_api import pages

# Windmill knows the type of a resource by these names.
postgresql = Resource
slack = Resource

EXAMPLES_MAX = 3


def main(
    raphus_url: str = "$var:f/raphus/raphus_url",
    raphus_api_key: str = "$var:f/raphus/raphus_api_key",
    channel: str = "",
    slack: slack = "$res:f/raphus/slack",
    slack_url: str = "https://slack.com/api/chat.postMessage",
    database: postgresql = "$res:f/raphus/database",
) -> dict[str, Any]:
    """Sum up what is wrong now, a block a code."""
    found: dict[str, list[dict[str, Any]]] = {}
    numbers: Counter[str] = Counter()
    money: dict[str, Counter[str]] = {}
    whole = True
    for page in pages(raphus_url, raphus_api_key, "/v1/anomalies"):
        whole = page["next"] is None
        for one in page["items"]:
            code = one["code"]
            numbers[code] += 1
            money.setdefault(code, Counter())
            if one["amount"] is not None and one["currency"] is not None:
                money[code][one["currency"]] += one["amount"]
            if len(found.setdefault(code, [])) < EXAMPLES_MAX:
                found[code].append(one)
    day = datetime.now(UTC).date().isoformat()
    more = "" if whole else "more than "
    head = f"{day} (UTC): {more}{numbers.total()} wrong" if numbers else f"{day} (UTC): all is well"
    blocks = [_block(numbers[code], money[code], found[code]) for code in sorted(found)]
    text = "\n\n".join([head, *blocks])
    key, to = f"anomaly_summary {day}", channel if numbers else ""
    told = chat_once(database, key, text, to, slack, slack_url)
    return {"day": day, "anomalies": dict(numbers), "whole": whole, "told": told, "text": text}


def _block(number: int, money: Counter[str], examples: list[dict[str, Any]]) -> str:
    sums = ", ".join(f"{amount} {currency}" for currency, amount in sorted(money.items()))
    about = f" ({sums} in minor units)" if sums else ""
    lines = [f"{examples[0]['code']}: {number}{about}"]
    lines += [f"- {one['since'][:10]} {one['text']}" for one in examples]
    if number > len(examples):
        lines.append(f"- and {number - len(examples)} more")
    return "\n".join([*lines, f"What to do: {examples[0]['action']}"])
