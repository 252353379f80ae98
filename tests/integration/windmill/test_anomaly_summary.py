"""A summary of what is wrong, told once a day, and only where something is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.scripts import API_KEY, by_raphus, by_slack, run, script, subscription, told

if TYPE_CHECKING:
    import pytest

    from tests.support.http_server import Served
    from tests.support.outside import Web


def test_what_is_wrong_is_summed_up_page_by_page(
    raphus: Served, slack: Web, resource: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script("raphus_api"), "PAGE_ITEMS", 2)
    asked = {
        "raphus_url": f"{raphus.url}/",
        "raphus_api_key": API_KEY,
        "channel": "#money",
        **by_slack(slack, resource),
    }
    well = run("anomaly_summary", {}, **asked)
    assert (well["anomalies"], well["told"], slack.asked) == ({}, False, [])
    assert well["text"].endswith(": all is well")
    bodies = [
        subscription("active", "2026-05-01T00:00:00Z", subscription_id=f"sub_{number}")
        for number in range(5)
    ]
    for body in bodies:
        body["data"] |= {"next_billing_date": "2026-05-31T00:00:00Z"}
        body["data"] |= {"recurring_pre_tax_amount": 1_900, "currency": "USD"}
        del body["data"]["customer"]
    held = subscription("on_hold", "2026-05-01T00:00:00Z", subscription_id="sub_held")
    last = told(raphus, *bodies, held)
    raphus.get("/v1/refusals", min_position=last["event"]["position"])
    first, second = [run("anomaly_summary", {}, **asked) for _ in range(2)]
    assert first["anomalies"] == {"overdue": 5, "gap": 1}
    assert (first["told"], second["told"], second["text"]) == (True, False, first["text"])
    assert [body["text"] for _, _, body in slack.asked] == [first["text"]]
    assert "overdue: 5 (9500 USD in minor units)\n- 2026-06-01 Subscription sub_" in first["text"]
    assert "\n- and 2 more\nWhat to do: " in first["text"]


def test_what_is_not_counted_to_the_end_says_so(
    raphus: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script("raphus_api"), "PAGE_ITEMS", 1)
    monkeypatch.setattr(script("raphus_api"), "PAGES_MAX", 2)
    bodies = [
        subscription("on_hold", "2026-05-01T00:00:00Z", subscription_id=f"sub_{number}")
        for number in range(3)
    ]
    position = told(raphus, *bodies)["event"]["position"]
    raphus.get("/v1/refusals", min_position=position)
    result = run("anomaly_summary", by_raphus(raphus))
    assert "more than 2 wrong" in result["text"]
    assert not result["whole"]
