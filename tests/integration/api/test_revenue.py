"""Revenue over HTTP: figures lead to what they are made of, and to what was known at any time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from api.queries.rates_file import RatesFile
from api.queries.read_side import Rules
from domain.revenue.recurring import KINDS
from domain.revenue.takings import KINDS as TAKING_KINDS
from tests.support.histories import said
from tests.support.http_server import Served, copied, served
from tests.support.past import Past, told_in_halves
from tests.support.projected import UNTIL, few_payouts, project, record, simulated
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from domain.delivery import Delivery

RANGE: Final = {"start": "2025-11-01", "end": "2026-04-30"}
RATES: Final = '[rates]\ninto = "USD"\nEUR = "1.1"\nJPY = "0.0067"\nGBP = "1.3"\nINR = "0.012"\n'


@pytest.fixture(scope="module")
def past(cluster: str, template: str) -> Iterator[Past]:
    with told_in_halves(cluster, template, few_payouts(simulated(30, seed=3))) as told:
        known = {"known_at": told.between, "limit": "1"}
        subscriptions = "/v1/revenue/subscriptions"
        until(lambda: told.server.client.get(subscriptions, params=known).status_code == 200)
        yield told


@pytest.fixture(scope="module")
def server(past: Past) -> Served:
    return past.server


def followed(server: Served, path: str, **more: str) -> list[Any]:
    """Read all pages that a link leads to."""
    found: list[Any] = []
    cursor = ""
    while True:
        asked = "".join(f"&{name}={value}" for name, value in more.items())
        response = server.client.get(f"{path}{asked}&limit=9{cursor}")
        assert response.status_code == 200, response.text
        page = response.json()
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


@pytest.mark.parametrize("by", ["currency", "product"])
@pytest.mark.parametrize("known_at", [True, False])
def test_every_figure_of_mrr_is_the_sum_of_what_it_leads_to(
    past: Past, by: str, known_at: bool
) -> None:
    server = past.server
    then = {"known_at": past.between} if known_at else {}
    report = server.get("/v1/revenue/mrr", by=by, **RANGE, **then)
    figures = [one for period in report["periods"] for one in period["figures"]]
    assert sum(one["end"] for one in figures) > 0
    for one in figures[:: 3 if by == "product" else 1]:
        moved = followed(server, one["made_of"]["movements"])
        for kind in KINDS:
            own = [each["amount"] for each in moved if each["kind"] == kind]
            assert one[kind] == {"amount": sum(own), "count": len(own)}
        stands = followed(server, one["made_of"]["end"])
        assert sum(each["mrr"] for each in stands) == one["end"]
        assert sum(each["arr"] for each in stands) == one["arr"]
        assert len(stands) == one["paying_subscriptions"]["end"]
    assert set(report["definitions"]) >= set(KINDS)


def test_what_was_believed_differs_from_what_is_known_now(past: Past) -> None:
    april = {"start": "2026-04-01", "end": "2026-04-30"}
    now = past.server.get("/v1/revenue/mrr", **april)
    believed = past.server.get("/v1/revenue/mrr", **april, known_at=past.between)
    assert believed["periods"] != now["periods"]


def test_as_of_a_periods_end_it_is_what_today_says_of_that_period(server: Served) -> None:
    today = server.get("/v1/revenue/mrr", **RANGE)
    for period in today["periods"]:
        end = datetime.fromisoformat(f"{period['end']}T23:59:59.999999+00:00")
        query = {"start": period["start"], "end": period["end"]}
        then = server.get("/v1/revenue/mrr", **query, as_of=end.isoformat().replace("+00:00", "Z"))
        (own,) = then["periods"]
        assert not own["complete"]
        assert without_links(own["figures"]) == [
            one for one in without_links(period["figures"]) if one in without_links(own["figures"])
        ]


def without_links(figures: list[Any]) -> list[Any]:
    return [{**one, "made_of": None} for one in figures]


def test_days_and_weeks_add_up_to_months(server: Served) -> None:
    asked = {"start": "2026-02-01", "end": "2026-02-28"}
    (month,) = server.get("/v1/revenue/mrr", **asked)["periods"]
    days = server.get("/v1/revenue/mrr", **asked, period="day")["periods"]
    assert len(days) == 28
    for one in month["figures"]:
        own = [
            each for day in days for each in day["figures"] if each["currency"] == one["currency"]
        ]
        assert (own[0]["start"], own[-1]["end"]) == (one["start"], one["end"])
        for kind in KINDS:
            assert sum(each[kind]["amount"] for each in own) == one[kind]["amount"]
            assert sum(each[kind]["count"] for each in own) == one[kind]["count"]


def test_every_cell_of_a_cohort_leads_to_the_subscriptions_that_are_left(server: Served) -> None:
    report = server.get("/v1/revenue/cohorts", **RANGE)
    assert report["cohorts"]
    for cohort in report["cohorts"]:
        assert cohort["customers"] > 0
        for cell in cohort["retained"]:
            left = followed(server, cell["made_of"])
            assert len({one["customer_id"] for one in left}) == cell["customers"]
            assert sum(one["mrr"] for one in left) == cell["mrr"]
            assert cell["customer_retention"] == pytest.approx(
                cell["customers"] / cohort["customers"], abs=1e-6
            )


def test_trials_are_the_lists_they_lead_to_and_some_convert(server: Served) -> None:
    report = server.get("/v1/revenue/trials", **{**RANGE, "start": "2024-06-01"})
    figures = [one for period in report["periods"] for one in period["figures"]]
    assert sum(one["converted"] for one in figures) > 0
    for one in figures:
        assert one["started"] == one["converted"] + one["ended"] + one["running"]
        for outcome in ("converted", "ended", "running"):
            assert len(followed(server, one["made_of"], outcome=outcome)) == one[outcome]


def test_net_revenue_is_the_sum_of_what_it_leads_to(server: Served) -> None:
    report = server.get("/v1/revenue/net", **RANGE)
    figures = [one for period in report["periods"] for one in period["figures"]]
    assert sum(one["failed"]["recovered"] for one in figures) > 0
    for one in figures:
        taken = followed(server, one["made_of"])
        if one["currency"] is None:
            continue
        assert {each["settlement_currency"] for each in taken} <= {one["currency"]}
        assert sum(each["net"] or 0 for each in taken) == one["net"]
        names = dict(zip(TAKING_KINDS, ("payments", "failed", "refunds"), strict=False))
        for kind, name in names.items():
            own = [each for each in taken if each["kind"] == kind]
            assert one[name]["count"] == len(own)
            assert one[name]["gross"] == sum(each["gross"] for each in own)
        recovered = [each for each in taken if each["recovered"]]
        assert one["failed"]["recovered"] == len(recovered)


def test_payments_are_those_of_the_list_of_payments(server: Served) -> None:
    told = followed(server, "/v1/revenue/takings?start=1970-01-01", kind="payment")
    listed = followed(server, "/v1/payments?status=succeeded")
    worth = [one for one in listed if one["total_amount"] and one["settlement_amount"]]
    assert {one["id"] for one in told} == {one["payment_id"] for one in worth}
    assert sum(one["gross"] for one in told) == sum(one["settlement_amount"] for one in worth)


@pytest.mark.parametrize(
    ("path", "query", "problem"),
    [
        ("mrr", {"start": "2026-05-01", "end": "2026-04-01"}, "start must not lie behind end"),
        ("mrr", {"start": "yesterday"}, "start must be a day from 1970-01-01 to 2199-12-31"),
        ("mrr", {"start": "1066-10-14"}, "start must be a day from 1970-01-01 to 2199-12-31"),
        (
            "subscriptions",
            {"cohort_start": "1066-10-14"},
            "cohort_start must be a day from 1970-01-01 to 2199-12-31",
        ),
        (
            "subscriptions",
            {"cohort_start": "2026-05-02", "cohort_end": "2026-05-01"},
            "cohort_start must not lie behind cohort_end",
        ),
        ("mrr", {"start": "2100-01-01"}, "start must not lie in the future"),
        (
            "mrr",
            {"start": "2026-05-01", "as_of": "2026-04-01T00:00:00Z"},
            "start must not lie behind as_of",
        ),
        ("mrr", {"start": "1990-01-01", "period": "day"}, "400 periods are told at the most"),
        ("mrr", {"period": "quarter"}, "period must be one of month, week, day"),
        ("mrr", {"by": "country"}, "by must be one of currency, product"),
        ("cohorts", {"start": "2025-12-01", "end": "2026-05-01", "period": "day"}, "120 periods"),
        ("movements", {"kind": "loss"}, "kind must be one of new, expansion"),
        ("movements", {"start": "2026-05-01", "end": "2026-04-01"}, "must not lie behind end"),
        ("movements", {"cursor": "abc"}, "is not a cursor of this list"),
        ("takings", {"kind": "gift"}, "kind must be one of payment, failed_payment"),
        ("mrr", {"converted": "true"}, r"write a table [rates] into raphus.toml"),
    ],
)
def test_what_cannot_be_answered_is_told_in_words(
    server: Served, path: str, query: dict[str, str], problem: str
) -> None:
    response = server.client.get(f"/v1/revenue/{path}", params=query)
    assert response.status_code == 400, response.text
    assert problem in response.json()["error"]["message"]


def test_an_empty_log_has_periods_without_figures(cluster: str, template: str) -> None:
    with copied(cluster, template) as conninfo, served(conninfo) as empty:
        for report in ("mrr", "trials", "net"):
            periods = empty.get(f"/v1/revenue/{report}")["periods"]
            assert len(periods) == 12
            assert not any(period["figures"] for period in periods)
        assert empty.get("/v1/revenue/cohorts")["cohorts"] == []


def subscribed(number: int, currency: str, amount: int, customer: str) -> Delivery:
    return said(
        "subscription.active",
        number,
        f"msg_{number}",
        subscription_id=f"sub_{number}",
        currency=currency,
        recurring_pre_tax_amount=amount,
        payment_frequency_count=1,
        payment_frequency_interval="Month",
        product_id=f"pdt_{number}",
        customer={"customer_id": customer},
    )


def test_by_own_rates_a_customer_moves_in_one_currency_and_each_answer_says_so(
    database: str, tmp_path: Path
) -> None:
    path = tmp_path / "raphus.toml"
    path.write_text(RATES)
    begun = (("USD", 1_000, "cus_1"), ("EUR", 1_000, "cus_1"), ("JPY", 1_000, "cus_2"))
    record(
        database, [subscribed(number, *one) for number, one in enumerate((*begun, ("CHF", 5, "c")))]
    )
    project(database)
    asked = {"start": "2026-05-01", "end": "2026-05-31"}
    with served(database, rules=Rules(rates=RatesFile(path))) as server:
        plain = server.get("/v1/revenue/mrr", **asked)
        told = server.get("/v1/revenue/mrr", **asked, converted="true")
        assert plain["conversion"] is None
        assert told["conversion"]["into"] == "USD"
        assert told["conversion"]["rates"]["EUR"] == "1.1"
        francs, dollars = told["periods"][0]["figures"]
        # 10.00 USD, 10.00 EUR by 1.1, and 1,000 JPY by 0.0067; there is no rate of CHF.
        assert (dollars["currency"], dollars["end"]) == ("USD", 1_000 + 1_100 + 670)
        assert (francs["currency"], francs["end"]) == ("CHF", 5)
        assert dollars["new"] == {"amount": 1_670, "count": 2}
        assert dollars["expansion"] == {"amount": 1_100, "count": 1}
        assert dollars["customers"] == {"start": 0, "end": 2}
        assert len(followed(server, dollars["made_of"]["movements"])) == 3
        stands = followed(server, dollars["made_of"]["end"])
        assert sum(one["mrr"] for one in stands) == dollars["end"]


def test_what_came_late_corrects_the_figures_of_the_past(database: str) -> None:
    first = subscribed(0, "USD", 1_000, "cus_1")
    cancelled = said("subscription.cancelled", 3 * 24 * 60, "msg_end", subscription_id="sub_0")
    record(database, [first])
    asked = {"start": "2026-05-01", "end": "2026-05-31"}
    with served(database) as server:
        server.get("/v1/refusals", min_position="1")
        (believed,) = server.get("/v1/revenue/mrr", **asked)["periods"][0]["figures"]
        position = server.deliver(cancelled.body, "msg_end")
        (known,) = server.get("/v1/revenue/mrr", **asked, min_position=position)["periods"][0][
            "figures"
        ]
    assert (believed["end"], believed["churn"]["count"]) == (1_000, 0)
    assert (known["end"], known["churn"]["amount"]) == (0, -1_000)


def test_the_default_is_a_year_of_months_as_of_the_time_that_is_asked_about(server: Served) -> None:
    as_of = (UNTIL - timedelta(days=20)).isoformat().replace("+00:00", "Z")
    report = server.get("/v1/revenue/mrr", as_of=as_of)
    assert [period["start"] for period in report["periods"]][::11] == ["2025-11-01", "2026-10-01"]
    assert [period["complete"] for period in report["periods"]] == [True] * 11 + [False]
    assert report["at"] == as_of
