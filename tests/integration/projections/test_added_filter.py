"""A filter that is added as docs/how-to-add-a-filter.md says is asked everywhere, or refused."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from api.http.errors import ApiError
from api.openapi import document
from api.queries.database import Database
from api.queries.product_names import ProductNames
from api.queries.read_side import ReadSide, Rules
from api.queries.snapshot_cache import SnapshotCache
from api.resources.objects import list_of
from cli.offline_queries import add_operation
from projections.listing import Filter, FilterError
from projections.read_models.catalogue import LISTINGS
from tests.support.histories import said
from tests.support.http_server import copied
from tests.support.projected import project, record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.http.operations import Operation

PAGE: Final = Path(__file__).resolve().parents[3] / "docs" / "how-to-add-a-filter.md"
LATER: Final = "2026-05-01T13:00:00Z"


def from_the_page() -> Filter:
    (declaration,) = re.findall(r"```python\n(.+?)```", PAGE.read_text("utf-8"), re.DOTALL)
    added = eval(declaration, {"Filter": Filter})  # noqa: S307 -- the page is ours
    assert isinstance(added, Filter)
    return added


def refunds_by(added: Filter) -> Operation[ReadSide, Any, Any]:
    """Return the operation that lists refunds, with one filter more."""
    listing = LISTINGS["refunds"]
    return list_of(dataclasses.replace(listing, filters=(*listing.filters, added)))


def ask(conninfo: str, operation: Operation[ReadSide, Any, Any], query: str) -> list[str]:
    """Ask as over HTTP, and return the refunds' ids."""

    async def answer() -> list[str]:
        database = Database(conninfo)
        snapshots = SnapshotCache(conninfo, database)
        try:
            read_side = ReadSide(database, snapshots, ProductNames(database), Rules())
            given = operation.reader.read({}, query.encode())
            return [one.refund_id for one in (await operation.handle(read_side, given)).items]
        finally:
            await snapshots.stop()
            await database.close()

    return asyncio.run(answer())


@pytest.fixture(scope="module")
def refunds(cluster: str, template: str) -> Iterator[str]:
    """Give a refund in euros, and one in dollars."""
    told = [
        said("refund.succeeded", n, payment_id=f"pay_{n}", refund_id=f"ref_{n}", currency=code)
        for n, code in enumerate(["EUR", "USD"])
    ]
    with copied(cluster, template) as conninfo:
        record(conninfo, told)
        project(conninfo)
        yield conninfo


@pytest.mark.parametrize("then", ["", f"&as_of={LATER}"])
def test_the_filter_of_the_page_is_asked_of_today_and_of_the_past(refunds: str, then: str) -> None:
    operation = refunds_by(from_the_page())
    assert ask(refunds, operation, f"currency=EUR{then}") == ["ref_0"]
    assert ask(refunds, operation, f"currency=GBP{then}") == []


def test_the_filter_of_the_page_is_documented_and_an_option_of_the_command() -> None:
    operation = refunds_by(from_the_page())
    (path,) = (path for path in document([operation])["paths"] if path == operation.path)
    described = document([operation])["paths"][path]["get"]["parameters"]
    assert "Only in this currency." in {parameter["description"] for parameter in described}
    command = ArgumentParser()
    add_operation(command, operation, lambda *_: None)
    assert command.parse_args(["--currency", "EUR"]).currency == "EUR"


@pytest.mark.parametrize("then", ["", f"&as_of={LATER}"])
def test_a_filter_of_texts_by_key_is_asked_of_today_and_of_the_past(
    refunds: str, then: str
) -> None:
    holds = "jsonb_build_object('currency', t.currency, 'kind', 'refund') @> %(said)s"
    operation = refunds_by(Filter("said", dict, "Only where that is said.", holds, holds))
    assert ask(refunds, operation, f"said[currency]=EUR&said[kind]=refund{then}") == ["ref_0"]
    assert ask(refunds, operation, f"said[kind]=payment{then}") == []


def test_a_filter_that_the_past_cannot_answer_says_so(refunds: str) -> None:
    reason = Filter("reason", str, "Only for this reason.", now="t.reason IS NULL", then=None)
    operation = refunds_by(reason)
    assert ask(refunds, operation, "reason=x") == ["ref_1", "ref_0"]
    with pytest.raises(ApiError, match="reason is not kept of the past") as error:
        ask(refunds, operation, f"reason=x&as_of={LATER}")
    assert error.value.status == 400
    assert error.value.body.error.details == {"parameter": "reason"}
    assert operation.reader.query["reason"].description == "Only for this reason. Not with as_of."


def test_a_filter_on_a_column_that_the_periods_lack_cannot_be_declared() -> None:
    with pytest.raises(FilterError, match="the periods do not keep reason"):
        Filter("reason", str, "", now="t.reason = %(reason)s", then="t.reason = %(reason)s")
