"""A ready-made script that fails in Windmill: Raphus shows it, everywhere, and without a person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.program import environment, posted, raphus, serving
from tests.support.samples import sample
from tests.support.scripts import WORKER, run
from tests.support.services import serving as answering
from tests.support.services.hubspot import TOKEN as HUBSPOT_TOKEN
from tests.support.services.hubspot import HubSpot
from tests.support.waiting import until
from tests.support.windmill_stand_in import StandIn

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT: Final = "f/raphus/sync_hubspot"
TOKEN: Final = "a-token-that-fits-into-a-header"
ROUTE: Final = f'[[route]]\nname = "crm"\non = ["subscription.*"]\nscript = "{SCRIPT}"\n'


def test_a_script_that_failed_is_seen_in_raphus(database: str, tmp_path: Path) -> None:
    (tmp_path / "routes.toml").write_text(ROUTE, "utf-8")
    found = {"DATABASE_URL": database, "WINDMILL_ROUTES": str(tmp_path / "routes.toml")}
    hubspot = HubSpot()
    hubspot.faults = [(403, {"message": "customer-17@shop.example needs another scope"})]
    with StandIn(token=TOKEN, run_s=3_600) as windmill, answering(hubspot):
        found |= {**windmill.settings, "WINDMILL_TOKEN": TOKEN}
        with serving(tmp_path / "home", **found) as server, server.client() as client:
            body = json.dumps(sample("subscription.active")).encode()
            assert posted(client, body, "msg_1").status_code == 200
            until(windmill.jobs)
            (job,) = windmill.jobs()
            given = {"hubspot": {"token": HUBSPOT_TOKEN}, "url": hubspot.url}
            with pytest.raises(Exception, match="403") as caught:
                run("sync_hubspot", job.arguments, WORKER, job.id, **given)
            # As Windmill's wrapper for Python tells an exception.
            error = {"name": caught.typename, "message": str(caught.value), "stack": "…"}
            windmill.behave(token=TOKEN, errors={SCRIPT: error}, run_s=0)
            until(lambda: server.get("/v1/routes/outbox", state="failed")["items"])
            (failed,) = server.get("/v1/routes/outbox", state="failed")["items"]
            (route,) = server.get("/v1/routes")["items"]
            signed_in = client.post("/sign-in", data={"key": server.key, "to": "/"})
            client.cookies.update(signed_in.cookies)
            page = client.get("/routes/outbox", params={"state": "failed"}).text
        env = environment(tmp_path / "home", **found)
        told = raphus("routes", "outbox", "--state", "failed", "--json", env=env).stdout
    assert (failed["job_id"], failed["route"]) == (job.id, "crm")
    assert failed["problem"] == (
        'RefusedError: 127.0.0.1 answered 403: {"message": "… needs another scope"}'
    )
    assert json.loads(told)["items"] == [failed]
    assert job.id in page
    assert "RefusedError: 127.0.0.1 answered 403" in page
    assert "customer-17" not in page
    assert route["failed_last_day"] == 1
