"""References of Windmill's in what buyers write: sent, by whatever way, they are only text."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from tests.support.histories import said
from tests.support.projected import record
from tests.support.shop import Shop
from tests.support.triggers import trigger
from tests.support.waiting import until
from tests.support.windmill import STARTED, all_in, sending, task, write_routes
from tests.support.windmill_stand_in import StandIn, Worker
from workflows import trial_run as trying

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.transforms.custom_code import Language

KEY = "$var:f/raphus/raphus_api_key"
HOSTILE = said("payout.reversed", metadata={"name": KEY, KEY: [{"$interpolate": [{"$var": "a"}]}]})
SPREAD = {
    "javascript": """
        function handler(w) {
          const own = {note: "$res:f/raphus/smtp", _ENTRYPOINT_OVERRIDE: "x", raphus_replay: 3};
          w.payload = {...own, smtp: "mine", ...w.payload.data.metadata};
          return w;
        }""",
    "python": """
        def shape(fact):
            own = {"note": "$res:f/raphus/smtp", "_ENTRYPOINT_OVERRIDE": "x", "raphus_replay": 3}
            return {**own, "smtp": "mine", **fact["data"]["metadata"]}
        """,
}


@pytest.mark.parametrize("language", SPREAD)
def test_own_code_gives_text_and_fixed_arguments_give_references(
    tmp_path: Path, language: Language
) -> None:
    fixed = 'script = "f/a/b"\narguments = { smtp = "$res:f/raphus/smtp" }'
    shop = Shop(tmp_path)
    route = shop.route(language, SPREAD[language], target=fixed)
    given = trigger(HOSTILE)
    assert shop.arguments(route, given) == {
        "note": "$-res:f/raphus/smtp",
        "smtp": "$res:f/raphus/smtp",
        "name": "$-var:f/raphus/raphus_api_key",
        "$-var:f/raphus/raphus_api_key": [{"$-interpolate": [{"$-var": "a"}]}],
    }
    tried = asyncio.run(trying.arguments(route, given))
    assert json.loads(tried) == shop.arguments(route, given)


def test_a_job_gets_what_the_buyer_wrote_and_what_the_merchant_refers_to(
    database: str, tmp_path: Path
) -> None:
    worker = Worker({"f/raphus/raphus_api_key": "s3cret"}, {"f/raphus/smtp": {"port": 25}})
    fixed = 'transformation = "envelope"\narguments = { smtp = "$res:f/raphus/smtp" }\n'
    routes = write_routes(tmp_path, more=fixed)
    with StandIn(worker=worker) as windmill, sending(task(database, routes, windmill)):
        record(database, [HOSTILE])
        until(lambda: all_in(database, *STARTED))
        (job,) = windmill.jobs()
    assert job.taken == {**job.arguments, "smtp": {"port": 25}}
    assert "s3cret" not in str(job)
