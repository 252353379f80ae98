"""`raphus revenue`: what HTTP answers, without a server, as JSON and as tables with a picture."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.histories import said
from tests.support.program import raphus
from tests.support.two_ways import Shop, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

MAY: Final = {"start": "2026-05-01", "end": "2026-05-31"}
AS_OF: Final = {"as_of": "2026-06-01T00:00:00Z"}
DAY: Final = 24 * 60


@pytest.fixture(scope="module")
def shop(cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    begun = {
        "recurring_pre_tax_amount": 1_999,
        "currency": "EUR",
        "payment_frequency_count": 1,
        "payment_frequency_interval": "Month",
        "product_id": "pdt_1",
        "customer": {"customer_id": "cus_1"},
    }
    paid = {
        "payment_id": "pay_1",
        "total_amount": 2_379,
        "currency": "EUR",
        "settlement_amount": 2_600,
        "settlement_tax": 415,
        "settlement_currency": "USD",
    }
    first = [
        said("subscription.active", 0, "msg_1", subscription_id="sub_1", **begun),
        said("payment.succeeded", 0, "msg_2", **paid),
    ]
    dearer = {**begun, "recurring_pre_tax_amount": 4_999}
    trial = {**begun, "trial_period_days": 14}
    then = [
        said("subscription.plan_changed", DAY, "msg_3", subscription_id="sub_1", **dearer),
        said("subscription.active", 2 * DAY, "msg_4", subscription_id="sub_2", **trial),
    ]
    home = tmp_path_factory.mktemp("revenue") / "home"
    with opened(cluster, template, home, first, then) as shop:
        yield shop


@pytest.mark.parametrize(
    ("command", "path", "query"),
    [
        ("mrr", "mrr", {**MAY, **AS_OF}),
        ("mrr", "mrr", {**MAY, **AS_OF, "period": "week", "by": "product"}),
        ("movements", "movements", {**MAY, **AS_OF, "kind": "expansion"}),
        ("earning", "subscriptions", {**AS_OF, "counts": "active"}),
        ("cohorts", "cohorts", {**MAY, **AS_OF}),
        ("trials", "trials", {**MAY, **AS_OF}),
        ("trial-list", "trials/subscriptions", {**MAY, **AS_OF, "outcome": "running"}),
        ("net", "net", {**MAY, **AS_OF, "currency": "USD"}),
        ("takings", "takings", {**MAY, **AS_OF, "limit": "1"}),
    ],
)
def test_a_report_is_the_answer_of_http(
    shop: Shop, command: str, path: str, query: dict[str, str]
) -> None:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in query.items()]
    printed = json.loads(shop.answered("revenue", command, *options, "--json"))
    assert printed == shop.server.get(f"/v1/revenue/{path}", **query)


def test_what_is_printed_has_the_figures_a_picture_and_how_they_are_computed(shop: Shop) -> None:
    told = shop.answered("revenue", "mrr", "--start=2026-04-01", "--end=2026-05-31")
    assert "EUR ▁█" in told
    assert "19.99 (1)" in told
    assert "30.00 (1)" in told
    assert "599.88" in told
    assert "churn: Movements of customers with MRR to none" in told
    net = shop.answered("revenue", "net", "--start=2026-05-01", "--end=2026-05-31")
    assert "settled in USD" in net
    assert "21.85" in net
    cohorts = shop.answered("revenue", "cohorts", "--start=2026-05-01", "--end=2026-05-31")
    assert "100%" in cohorts


def test_what_was_believed_is_a_question_of_the_command_too(shop: Shop) -> None:
    believed = shop.answered(
        "revenue", "mrr", "--start=2026-05-01", "--end=2026-05-31", f"--known-at={shop.known_at}"
    )
    assert "30.00 (1)" not in believed
    assert f"as known at {shop.known_at}" in believed


def test_a_wrong_range_is_wrong_usage(shop: Shop) -> None:
    ended = raphus("revenue", "mrr", "--start=2026-05-31", "--end=2026-05-01", env=shop.env)
    assert ended.returncode == 2
    assert "start must not lie behind end" in ended.stderr
    ended = raphus("revenue", "mrr", "--start=soon", env=shop.env)
    assert ended.returncode == 2
    assert "must be a day from 1970-01-01" in ended.stderr
