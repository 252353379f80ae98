"""Dodo's API over real HTTP: what an answer means, and what becomes of one that is none."""

from __future__ import annotations

import contextlib
import gzip
import socketserver
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from dodo import endpoints
from dodo.client import Dodo
from dodo.connection import ANSWER_BYTES_MAX
from dodo.endpoints import CUSTOMER, CUSTOMERS, GRANTS, PAYMENTS, SUBSCRIPTION, SUBSCRIPTIONS
from dodo.errors import (
    DodoAwayError,
    DodoError,
    ForbiddenError,
    GoneError,
    KeyRefusedError,
    LimitedError,
    RefusedError,
    StoppedError,
    UnreadableAnswerError,
)
from dodo.pace import Pace
from simulator.dodo_api import RateLimit
from tests.support.dodo_stand_in import (
    KEY,
    PRESENT,
    PROMPT,
    DodoStandIn,
    asking,
    cut,
    limited,
    saying,
    slow,
    standing_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.dodo_stand_in import Fault


@pytest.fixture(scope="module")
def served() -> Iterator[DodoStandIn]:
    with standing_in() as stand_in:
        yield stand_in


@pytest.fixture
def stand_in(served: DodoStandIn) -> DodoStandIn:
    served.asked.clear()
    served.faults.clear()
    served.forbidden.clear()
    return served


@pytest.fixture(scope="module")
def client(served: DodoStandIn) -> Iterator[Dodo]:
    with asking(served) as dodo:
        yield dodo


def reset(text: str) -> Fault:
    return limited(x_ratelimit_remaining="0", x_ratelimit_reset=text)


def everywhere() -> list[str]:
    return [
        name
        for name, endpoint in vars(endpoints).items()
        if name.isupper() and isinstance(endpoint, endpoints.Endpoint)
    ]


@pytest.mark.parametrize("name", everywhere())
def test_an_endpoint_is_asked_where_it_says_with_its_key(
    name: str, stand_in: DodoStandIn, client: Dodo
) -> None:
    endpoint = getattr(endpoints, name)
    ids = [f"id_{id_}" for id_ in endpoint.ids]
    if isinstance(endpoint, endpoints.ListEndpoint):
        stand_in.faults.append(saying(200, b'{"items":[]}'))
        bounds = [bound for bound in (endpoint.since, endpoint.until) if bound]
        asked = dict.fromkeys(bounds, "2026-01-01T00:00:00Z")
        assert client.page(endpoint, 3, *ids, size=7, parameters=asked).items == []
        sent = {**asked, **{name: str(value).lower() for name, value in endpoint.only.items()}}
        assert stand_in.asked[0].query == {**sent, "page_number": "3", "page_size": "7"}
    elif isinstance(endpoint, endpoints.OneEndpoint):
        assert client.one(endpoint, *ids) is None
    elif endpoint is endpoints.BRANDS:
        assert client.business_id() == "bus_demo"
    else:
        assert [webhook.disabled for webhook in client.webhooks()] == [False]
    (asked_for,) = stand_in.asked
    given = dict(zip(endpoint.ids, ids, strict=True))
    assert asked_for.path == endpoint.path.format(**given)
    assert endpoint.source == f"GET {endpoint.path}"
    assert asked_for.headers["authorization"] == f"Bearer {KEY}"
    assert asked_for.headers["accept-encoding"] == "identity"


def test_items_are_cut_out_of_a_page_to_the_byte(stand_in: DodoStandIn, client: Dodo) -> None:
    odd = '{ "b" : 1.50, "a":"ü\\u0041", "n": 12345678901234567890123 }'
    stand_in.faults.append(saying(200, f'{{"more":1,"items" : [ {odd} ,{{}}]}}'.encode()))
    assert client.page(CUSTOMERS).items == [odd.encode(), b"{}"]


def test_one_thing_comes_to_the_byte_with_the_time_of_the_answer(
    stand_in: DodoStandIn, client: Dodo
) -> None:
    id_ = msgspec.json.decode(client.page(SUBSCRIPTIONS).items[0])["subscription_id"]
    found = client.one(SUBSCRIPTION, id_)
    assert found is not None
    assert found.at == PRESENT
    assert msgspec.json.decode(found.data)["subscription_id"] == id_
    stand_in.faults.append(saying(200, b'  {"subscription_id": "x"}\n'))
    told = client.one(SUBSCRIPTION, "x")
    assert told is not None
    assert told.data == b'{"subscription_id": "x"}'


@pytest.mark.parametrize(
    "date", ["", "yesterday", format_datetime(datetime(2999, 1, 1, tzinfo=UTC))]
)
def test_an_answer_is_never_newer_than_when_it_was_asked_for(
    date: str, stand_in: DodoStandIn, client: Dodo
) -> None:
    stand_in.faults.append(saying(200, b'{"items":[]}', date=date))
    before = datetime.now(UTC)
    assert before <= client.page(CUSTOMERS).at <= datetime.now(UTC)


@pytest.mark.parametrize("id_", ["", ".", "..", "a b", "ü", "x" * 256])
def test_what_cannot_be_an_id_is_not_asked_for(
    id_: str, stand_in: DodoStandIn, client: Dodo
) -> None:
    assert client.one(CUSTOMER, id_) is None
    assert stand_in.asked == []


def test_an_id_stays_within_its_part_of_the_path(stand_in: DodoStandIn, client: Dodo) -> None:
    assert client.one(CUSTOMER, "../payments?x=y#z") is None
    (asked,) = stand_in.asked
    assert (asked.path.count("customers"), asked.query) == (1, {})


def test_a_key_that_is_refused_is_told_with_both_reasons_and_not_quoted(
    stand_in: DodoStandIn,
) -> None:
    with asking(stand_in, "another-key") as wrong, pytest.raises(KeyRefusedError) as caught:
        wrong.business_id()
    told = str(caught.value)
    assert "DODO_PAYMENTS_API_KEY in test_mode" in told
    assert "a key of live mode" in told
    assert "another-key" not in told
    assert caught.value.exit_code == 2
    assert len(stand_in.asked) == 1


def test_a_401_without_a_body_is_a_refused_key_too(stand_in: DodoStandIn, client: Dodo) -> None:
    stand_in.faults.append(saying(401))
    with pytest.raises(KeyRefusedError):
        client.page(CUSTOMERS)


def test_a_key_that_may_not_read_something_is_told_what(
    stand_in: DodoStandIn, client: Dodo
) -> None:
    stand_in.forbidden.add("/webhooks")
    with pytest.raises(ForbiddenError, match="may not read GET /webhooks"):
        client.webhooks()


def test_what_dodo_does_not_have_is_none_and_a_list_of_it_is_gone(
    stand_in: DodoStandIn, client: Dodo
) -> None:
    assert client.one(CUSTOMER, "cus_nobody") is None
    stand_in.faults.append(saying(404))
    assert client.one(CUSTOMER, "cus_nobody") is None
    with pytest.raises(GoneError, match=r"GET /entitlements/\{id\}/grants"):
        client.page(GRANTS, 0, "ent_deleted")


def test_a_404_that_dodo_did_not_write_makes_nothing_missing(
    stand_in: DodoStandIn, client: Dodo
) -> None:
    stand_in.faults.append(saying(404, b"<html>No such page</html>"))
    with pytest.raises(UnreadableAnswerError, match="a 404 that Dodo did not write"):
        client.one(CUSTOMER, "cus_somebody")


def test_a_question_that_is_refused_is_told_by_dodos_word_alone(
    stand_in: DodoStandIn, client: Dodo
) -> None:
    with pytest.raises(RefusedError, match=r"GET /payments: 400 INVALID_QUERY_PARAMS$"):
        client.page(PAYMENTS, 10**6)
    stand_in.faults.append(saying(422, b'{"code":"a buyer\'s words","message":"secret"}'))
    with pytest.raises(RefusedError, match=r"GET /payments: 422$"):
        client.page(PAYMENTS)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"data":[]}',
        b'{"items":null}',
        b'{"items":{}}',
        b'{"items":[1]}',
        b'{"items":[null]}',
        b'{"items":[{}],}',
        b'{"items":[{"a":"\xff"}]}',
        b"[" * 100_000,
        b'{"items":[' + b'{"a":' * 100_000,
        b"<html>",
    ],
)
def test_a_page_that_is_none_is_an_error_and_no_empty_page(
    body: bytes, stand_in: DodoStandIn, client: Dodo
) -> None:
    stand_in.faults.append(saying(200, body))
    with pytest.raises(UnreadableAnswerError, match="GET /customers cannot be read"):
        client.page(CUSTOMERS)
    assert len(stand_in.asked) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"x"', b"{", b'{"a":"\xff"}'])
def test_a_thing_that_is_no_object_is_an_error(
    body: bytes, stand_in: DodoStandIn, client: Dodo
) -> None:
    stand_in.faults.append(saying(200, body))
    with pytest.raises(UnreadableAnswerError):
        client.one(CUSTOMER, "cus_somebody")


@pytest.mark.parametrize(
    "body",
    [b'{"items":[]}', b'{"items":[{}]}', b'{"items":[{"business_id":"a"},{"business_id":"b"}]}'],
)
def test_a_key_belongs_to_one_business(body: bytes, stand_in: DodoStandIn, client: Dodo) -> None:
    stand_in.faults.append(saying(200, body))
    with pytest.raises(UnreadableAnswerError, match="GET /brands"):
        client.business_id()


def test_an_answer_that_breaks_off_is_not_taken(stand_in: DodoStandIn, client: Dodo) -> None:
    stand_in.faults.append(cut)
    with pytest.raises(UnreadableAnswerError):
        client.page(SUBSCRIPTIONS)


def test_an_answer_that_is_too_large_is_not_read_to_its_end(
    stand_in: DodoStandIn, client: Dodo
) -> None:
    stand_in.faults.append(saying(200, b" " * (ANSWER_BYTES_MAX + 1)))
    with pytest.raises(UnreadableAnswerError, match=f"larger than {ANSWER_BYTES_MAX} bytes"):
        client.page(CUSTOMERS)
    stand_in.faults.append(saying(404, b" " * (ANSWER_BYTES_MAX + 1)))
    with pytest.raises(UnreadableAnswerError, match=f"larger than {ANSWER_BYTES_MAX} bytes"):
        client.one(CUSTOMER, "cus_somebody")


def test_an_answer_that_is_compressed_unasked_is_not_unpacked(
    stand_in: DodoStandIn, client: Dodo
) -> None:
    stand_in.faults.append(saying(200, gzip.compress(b'{"items":[]}'), content_encoding="gzip"))
    with pytest.raises(UnreadableAnswerError, match="compressed"):
        client.page(CUSTOMERS)


def test_the_key_does_not_follow_a_redirect(stand_in: DodoStandIn, client: Dodo) -> None:
    with standing_in([]) as elsewhere:
        stand_in.faults.append(saying(307, location=f"{elsewhere.url}/customers"))
        with pytest.raises(UnreadableAnswerError, match="leads elsewhere"):
            client.page(CUSTOMERS)
        assert elsewhere.asked == []


def test_no_variable_of_the_sdk_leads_the_key_elsewhere(
    stand_in: DodoStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with standing_in([]) as elsewhere:
        monkeypatch.setenv("DODO_PAYMENTS_BASE_URL", elsewhere.url)
        monkeypatch.setenv("DODO_PAYMENTS_API_KEY", "another-key")
        monkeypatch.setenv("HTTP_PROXY", elsewhere.url)
        monkeypatch.setenv("http_proxy", elsewhere.url)
        with asking(stand_in) as dodo:
            assert dodo.business_id() == "bus_demo"
        assert elsewhere.asked == []


PASSING: Final = {
    "500": saying(500),
    "a proxy's 502": saying(502, b"<html>"),
    "503": saying(503),
    "408": saying(408),
    "429": limited(),
    "429 and how long": limited("0.01"),
}


@pytest.mark.parametrize("named", PASSING)
def test_what_passes_is_asked_again(named: str, stand_in: DodoStandIn, client: Dodo) -> None:
    stand_in.faults.extend([PASSING[named]] * 2)
    assert client.business_id() == "bus_demo"
    assert stand_in.paths == ["/brands"] * 3


def test_dodo_is_not_asked_for_ever(stand_in: DodoStandIn, client: Dodo) -> None:
    stand_in.faults.extend([saying(503)] * 4)
    with pytest.raises(DodoAwayError, match=r"does not answer GET /brands .*503, 4 attempts"):
        client.business_id()
    stand_in.faults.extend([limited()] * 4)
    with pytest.raises(LimitedError, match="RAPHUS_DODO_REQUESTS_PER_MINUTE"):
        client.business_id()
    assert len(stand_in.asked) == 8


def test_a_server_that_is_not_there_is_told_with_its_address() -> None:
    with standing_in([]) as gone:
        pass
    with asking(gone) as dodo, pytest.raises(DodoAwayError, match=f"at {gone.url}.*ConnectError"):
        dodo.business_id()


def test_an_answer_that_takes_too_long_is_given_up(
    stand_in: DodoStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dodo.connection.TIMEOUT_S", 0.3)
    stand_in.faults.append(slow(30.0))
    with asking(stand_in) as dodo:
        assert dodo.business_id() == "bus_demo"
    assert stand_in.paths == ["/brands"] * 2


class Dripping(socketserver.BaseRequestHandler):
    """A server whose answer begins, and does not end."""

    def handle(self) -> None:
        self.request.recv(65_536)
        with contextlib.suppress(OSError):
            self.request.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            while True:
                self.request.sendall(b" ")
                time.sleep(0.01)


def test_an_answer_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dodo.connection.ANSWER_S_MAX", 0.2)
    with socketserver.TCPServer(("127.0.0.1", 0), Dripping) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        pace = Pace(attempts_max=1, backoff_s=PROMPT)
        with (
            Dodo("key", "live_mode", base_url=url, pace=pace) as dodo,
            pytest.raises(DodoAwayError, match="ReadTimeout"),
        ):
            dodo.business_id()
        server.shutdown()
        thread.join()


TOMORROW: Final = PRESENT + timedelta(days=1)
LONG: Final = {
    "seconds": limited("86400"),
    "a date": limited(format_datetime(TOMORROW, usegmt=True)),
    "a reset in seconds": reset("86400"),
    "a reset by time": reset(str(int(TOMORROW.timestamp()))),
    "a reset by time in milliseconds": reset(str(int(TOMORROW.timestamp() * 1_000))),
    "503": saying(503, retry_after="86400"),
}


@pytest.mark.parametrize("named", LONG)
def test_a_long_wait_is_left_to_who_asks_who_is_told_until_when(
    named: str, stand_in: DodoStandIn
) -> None:
    # The stand-in's clock shows October: how far away a time is, is told by that clock.
    stand_in.faults.append(LONG[named])
    with (
        asking(stand_in) as dodo,
        pytest.raises(LimitedError, match="asks to wait until") as caught,
    ):
        dodo.business_id()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert abs(caught.value.again_at - tomorrow) < timedelta(minutes=1)
    assert len(stand_in.asked) == 1


def test_the_end_of_the_program_ends_a_wait(stand_in: DodoStandIn) -> None:
    stop = threading.Event()
    stand_in.faults.append(limited("600"))
    pace = Pace(stop=stop, backoff_s=PROMPT)
    with asking(stand_in, pace=pace) as dodo:
        threading.Timer(0.2, stop.set).start()
        with pytest.raises(StoppedError):
            dodo.business_id()
        with pytest.raises(StoppedError):
            dodo.business_id()
    assert len(stand_in.asked) == 1


def test_a_limit_that_is_told_is_kept_before_it_is_reached() -> None:
    with standing_in([], limit=RateLimit(5, window_s=0.4)) as limiting, asking(limiting) as dodo:
        stand_for: list[DodoError] = []
        for _ in range(12):
            try:
                dodo.page(CUSTOMERS)
            except DodoError as error:
                stand_for.append(error)
        assert stand_for == []
        assert len(limiting.asked) == 12


def test_a_key_that_asks_too_often_elsewhere_is_waited_for() -> None:
    with (
        standing_in([], limit=RateLimit(1, window_s=0.2)) as limiting,
        asking(limiting) as ours,
        asking(limiting) as theirs,
    ):
        for _ in range(3):
            assert ours.page(CUSTOMERS).items == theirs.page(CUSTOMERS).items == []


def test_neither_the_sdk_nor_its_client_is_loaded_before_dodo_is_asked() -> None:
    code = (
        "import sys, cli.settings, dodo.client, dodo.walk; from cli.parser import parser; parser();"
        "print({'dodopayments', 'httpx', 'pydantic'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "set()"
