"""The client by itself: what it needs, what it is made with, and what it never shows."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from datetime import UTC, datetime

import pytest

from api.client import AsyncRaphus, Raphus
from api.client import questions as ask
from domain.aggregates.payment import PaymentEntity
from domain.entity import Entity
from projections.read_models.catalogue import LISTINGS

KEY = "a-key-of-thirty-two-characters-0"


def run(code: str) -> str:
    """Run a program in a new process, and return what it prints."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    return ended.stdout


def test_importing_it_loads_nothing_of_the_server() -> None:
    loaded = run("import sys, api.client; print(*{name.split('.')[0] for name in sys.modules})")
    servers = "aiohttp eventsourcing prometheus_client psycopg starlette uvicorn uvloop".split()
    ours = "cli ledger migrations postgres projections simulator workflows".split()
    assert {"api", "domain", "httpx", "msgspec"} <= set(loaded.split())
    assert not {*servers, *ours} & set(loaded.split())


def test_without_httpx_it_says_what_to_install() -> None:
    told = run(
        """
        import sys
        sys.modules["httpx"] = None
        try:
            import api.client
        except ImportError as error:
            print(error)
        """
    )
    assert told == "the client needs httpx: pip install 'httpx>=0.28,<1'\n"


def test_server_and_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAPHUS_URL", raising=False)
    assert Raphus().url == "http://127.0.0.1:8000"
    monkeypatch.setenv("RAPHUS_URL", "https://raphus.example.com/below")
    monkeypatch.setenv("RAPHUS_API_KEY", KEY + "\n")
    with Raphus() as made:
        assert made.url == "https://raphus.example.com/below"
        assert made._http.headers["authorization"] == f"Bearer {KEY}"
    assert Raphus("http://other").url == "http://other"


@pytest.mark.parametrize(
    "url",
    [
        "raphus.example.com",
        "ftp://x",
        "http://",
        "http://me:secret@x",
        "http://x?a=b",
        "http://x#a",
    ],
)
def test_what_cannot_be_a_servers_url_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="the URL of the server must") as refused:
        Raphus(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("key", ["s3 cret", "s3\ncret", "s3crét"])
def test_what_cannot_be_a_key_is_refused_without_being_quoted(key: str) -> None:
    with pytest.raises(ValueError, match="characters that a key cannot have") as refused:
        Raphus(api_key=key)
    assert key not in str(refused.value)


@pytest.mark.parametrize("client", [Raphus, AsyncRaphus])
def test_the_key_is_not_shown(client: type[Raphus | AsyncRaphus]) -> None:
    made = client("http://127.0.0.1:1", api_key=KEY)
    assert repr(made) == f"{client.__name__}('http://127.0.0.1:1')"
    assert KEY not in str(vars(made))


def test_a_connection_may_take_two_seconds_an_answer_five_and_waiting_its_time() -> None:
    made = Raphus()
    at_once = made._asked(ask.access(customer_id="cus_1"))["timeout"]
    assert (at_once.connect, at_once.read, at_once.pool) == (2.0, 5.0, 5.0)
    waiting = made._asked(ask.access(customer_id="cus_1", min_position=7))["timeout"]
    assert (waiting.connect, waiting.read) == (2.0, 11.0)


def test_both_clients_ask_the_same_questions() -> None:
    asked = {name for name in vars(Raphus) if not name.startswith("_")}
    assert asked == {name for name in vars(AsyncRaphus) if not name.startswith("_")}
    for name in ("access", "state", "customer", "get", "webhook"):
        assert getattr(Raphus, name).__wrapped__ is getattr(AsyncRaphus, name).__wrapped__


def test_every_kind_that_the_server_lists_can_be_asked_for() -> None:
    for resource, listing in LISTINGS.items():
        assert ask.listed(listing.entity, {}).path == f"/v1/{resource}"


def test_what_is_no_kind_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Entity cannot be asked for; what can: .*Customer, "):
        ask.get(Entity, "x")


def test_values_are_spelled_as_the_server_reads_them() -> None:
    filters: dict[str, ask.Value] = {
        "as_of": datetime(2026, 5, 1, tzinfo=UTC),
        "open": True,
        "limit": 2,
        "status": None,
        "metadata": {"order": "17"},
    }
    assert ask.listed(PaymentEntity, filters).pairs == (
        ("as_of", "2026-05-01T00:00:00+00:00"),
        ("open", "true"),
        ("limit", "2"),
        ("metadata[order]", "17"),
    )


@pytest.mark.parametrize(
    ("id_", "path"),
    [
        ("pay_1", "/v1/payments/pay_1"),
        ("a/../b?c", "/v1/payments/a%2F%2E%2E%2Fb%3Fc"),
        ("..", "/v1/payments/%2E%2E"),
    ],
)
def test_an_id_is_one_part_of_a_path_whatever_it_holds(id_: str, path: str) -> None:
    assert ask.get(PaymentEntity, id_).path == path


def test_state_is_asked_by_one_name() -> None:
    assert ask.state(customer_id="cus/1").path == "/v1/customers/cus%2F1/state"
    assert ask.state(external_id="42").path == "/v1/customers/external/42/state"
    for customer_id, external_id in ((None, None), ("a", "b")):
        with pytest.raises(ValueError, match="exactly one of customer_id and external_id"):
            ask.state(customer_id=customer_id, external_id=external_id)
