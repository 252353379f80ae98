"""A summary of each day, told once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.http_server import Served
from tests.support.outside import Web
from tests.support.samples import sample
from tests.support.scripts import (
    API_KEY,
    at,
    by_raphus,
    by_slack,
    dispute,
    run,
    script,
    subscription,
    told,
)


def test_a_day_is_summed_up_page_by_page(
    raphus: Served, slack: Web, resource: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script("raphus_api"), "PAGE_ITEMS", 2)
    for number in range(5):
        about = {"subscription_id": f"sub_{number}", "created_at": "2026-05-01T00:00:00Z"}
        told(raphus, subscription("active", "2026-05-01T00:00:00Z", **about))
    for number, day in enumerate(("2026-04-30T23:59:59Z", "2026-05-01T00:00:00Z")):
        failed = {"payment_id": f"pay_{number}", "created_at": day, "status": "failed"}
        told(raphus, at(sample("payment.failed"), day, **failed))
    told(raphus, subscription("failed", "2026-05-02T00:00:00Z", subscription_id="sub_0"))
    last = told(raphus, dispute())
    raphus.get("/v1/refusals", min_position=last["event"]["position"])
    more = {
        "raphus_url": f"{raphus.url}/",
        "raphus_api_key": API_KEY,
        "day": "2026-05-01",
        "channel": "#money",
        **by_slack(slack, resource),
    }
    first, second = [run("daily_summary", {}, **more) for _ in range(2)]
    counts = {name: value for name, value in first.items() if isinstance(value, int)}
    assert counts == {
        "active_subscriptions": 5,
        "open_disputes": 1,
        "failed_payments": 1,
        "refused_facts": 1,
        "told": True,
    }
    assert first["text"].splitlines()[0] == "2026-05-01 (UTC)"
    assert (second["told"], second["text"]) == (False, first["text"])
    assert [body["text"] for _, _, body in slack.asked] == [first["text"]]


def test_a_count_ends_somewhere(raphus: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script("raphus_api"), "PAGE_ITEMS", 1)
    monkeypatch.setattr(script("raphus_api"), "PAGES_MAX", 2)
    bodies = [
        subscription("active", "2026-05-01T00:00:00Z", subscription_id=f"sub_{number}")
        for number in range(3)
    ]
    position = told(raphus, *bodies)["event"]["position"]
    raphus.get("/v1/refusals", min_position=position)
    result = run(
        "daily_summary",
        by_raphus(raphus),
    )
    assert "active subscriptions: more than 2" in result["text"]
