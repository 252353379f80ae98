"""Webhooks come through while a crowd of slow peers takes all the connections there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from tests.support.crowd import crowded
from tests.support.program import client, posted, program
from tests.support.samples import samples
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

FILES_MAX: Final = 256
CROWD: Final = 400
WEBHOOKS: Final = 30
ANSWER_S: Final = 15.0
"""How long Dodo waits for an answer."""


def test_every_webhook_of_a_normal_sender_is_acknowledged(tmp_path: Path, database: str) -> None:
    body = samples()["payment.succeeded"]
    with program(tmp_path / "home", DATABASE_URL=database) as server:
        server.files_max = FILES_MAX
        server.start()
        url = urlsplit(server.url)
        assert url.port is not None
        with crowded(("127.0.0.1", url.port), CROWD) as crowd:
            until(lambda: crowd.rounds > 2)
            answered = []
            for number in range(WEBHOOKS):
                with client(server.url) as dodo:  # a connection each, as Dodo makes
                    dodo.timeout = ANSWER_S
                    answered.append(posted(dodo, body, f"msg_{number}").status_code)
            assert answered == [200] * WEBHOOKS
            with server.client() as asking:
                assert asking.get("/readyz").status_code == 200
    assert f"{FILES_MAX} files may be open, and so 96 connections at the most" in server.said
    assert "connections were open, as many as may be" in server.said
    assert "Traceback" not in server.said
