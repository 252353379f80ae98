"""The streams that tell that something moved: to whom, of what, by which server, and their end."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from api.http.server import STOP_TIMEOUT_S
from console import live
from tests.support.console import signed_in, token_in
from tests.support.histories import said
from tests.support.http_server import served
from tests.support.keys import client_with, made
from tests.support.waiting import GUARD_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.http_server import Served

KEY: Final = "a-key-of-thirty-two-characters-0"


class Stream:
    """An open stream, read event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()
        self.first = self.event()

    def event(self) -> dict[str, Any]:
        """Return the next event."""
        return next(self.events())

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield events until the stream ends."""
        for line in self._lines:
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))

    def has_reached(self, position: str) -> list[dict[str, Any]]:
        """Read on until a position is told; return all that was."""
        read = []
        for event in self.events():
            read.append(event)
            if int(event["position"]) >= int(position):
                return read
        raise AssertionError(read)


@contextmanager
def streaming(client: httpx.Client) -> Iterator[Stream]:
    """Open a stream."""
    with client.stream("GET", "/live", timeout=GUARD_S) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["cache-control"] == "no-store"
        yield Stream(response)


def kinds(told: list[dict[str, Any]]) -> set[str]:
    return {kind for event in told for kind in event["kinds"]}


def test_it_tells_how_far_the_read_models_are_and_what_moved_and_nothing_else(
    server: Served,
) -> None:
    with streaming(server.client) as stream:
        assert stream.first == {"position": "0", "kinds": None}
        server.deliver(said("subscription.active", subscription_id="sub_1").body)
        position = server.deliver(said("refund.succeeded", refund_id="ref_1").body)
        told = stream.has_reached(position)
        assert all(event.keys() == {"position", "kinds"} for event in told)
        assert kinds(told) <= {"subscription", "payment", "notice", "refund"}
        assert "subscription" in kinds(told)


def test_what_moves_by_one_server_is_told_by_another(database: str) -> None:
    with served(database) as one, served(database) as other, streaming(other.client) as stream:
        position = one.deliver(said("dispute.opened", dispute_id="dp_1").body)
        assert kinds(stream.has_reached(position)) == {"dispute"}


def test_an_erasure_may_have_moved_anything(server: Served) -> None:
    she = {"customer_id": "cus_1", "email": "ada@example.com"}
    position = server.deliver(said("payment.succeeded", payment_id="pay_1", customer=she).body)
    server.get("/v1/payments", min_position=position)
    with streaming(server.client) as stream:
        asked = {"reason": "a letter", "requested_by": "she herself"}
        path = "/v1/customers/cus_1/personal-data"
        assert server.client.delete(path, params=asked).status_code == 200
        assert stream.event()["kinds"] is None


def test_a_key_of_one_business_is_not_told_what_others_have(database: str) -> None:
    key = made(database, "bound", "read", business_id="bus_2")
    with (
        served(database, api_key=KEY) as server,
        client_with(key, server.url) as client,
        streaming(client) as stream,
    ):
        position = server.deliver(said("dispute.opened", dispute_id="dp_1").body)
        assert stream.has_reached(position)[-1] == {"position": position, "kinds": None}


def test_who_may_not_read_hears_nothing(database: str) -> None:
    key = made(database, "access alone", "access")
    with served(database, api_key=KEY) as server, client_with(key, server.url) as client:
        assert server.client.get("/live").status_code == 401
        assert client.get("/live").status_code == 403
        elsewhere = {"sec-fetch-site": "cross-site"}
        assert client.get("/live", headers=elsewhere).status_code == 403


def test_a_session_that_ends_ends_its_stream(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "BEAT_S", 0.1)
    with (
        served(database, api_key=KEY) as server,
        signed_in(server, KEY) as client,
        signed_in(server, KEY) as other,
        streaming(client) as stream,
        streaming(other) as kept,
    ):
        token = token_in(client.get("/payments").text)
        answer = client.post("/sign-out", data={"csrf_token": token})
        assert answer.status_code == 303
        assert list(stream.events()) == []
        position = server.deliver(said("dispute.opened", dispute_id="dp_1").body)
        assert kept.has_reached(position)


def test_there_are_only_so_many_streams(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STREAMS_MAX", 1)
    with streaming(server.client) as stream:
        refused = server.client.get("/live")
        assert stream.first["position"] == "0"
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    # The place of one that has left is free again.
    until(lambda: opens(server))


def opens(server: Served) -> bool:
    with server.client.stream("GET", "/live") as response:
        return response.status_code == 200


def test_a_server_that_ends_does_not_wait_for_its_streams(database: str) -> None:
    with ExitStack() as stack:
        client = stack.enter_context(httpx.Client(trust_env=False))
        with served(database) as server:
            client.base_url = httpx.URL(server.url)
            stream = stack.enter_context(streaming(client))
            began = time.monotonic()
        took_s = time.monotonic() - began
        assert list(stream.events()) == []
    assert took_s < STOP_TIMEOUT_S / 2
