"""The snippets of docs/client.md: each runs, against a real server, or uses only what there is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx
import psycopg
import pytest

from api.http.listening import listening, url_of
from api.http.server import in_background
from tests.support.http_server import served
from tests.support.openapi_document import DOCUMENT
from tests.support.openapi_references import operations
from tests.support.samples import PROJECT, sample
from tests.support.waiting import GUARD_S

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY: Final = "a-key-of-thirty-two-characters-0"
PAGE: Final = (PROJECT / "docs" / "client.md").read_text("utf-8")
SCHEMAS: Final = DOCUMENT["components"]["schemas"]


def code(language: str) -> list[str]:
    """All code in a language that the page has."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


PYTHON: Final = code("python")
TYPESCRIPT: Final = "".join(code("tsx?"))


class Shop:
    """A server whose user_42 has paid for pdt_pro_monthly, until `ends_at` at the least."""

    def __init__(self, url: str, database: str) -> None:
        self.url = url
        self.database = database


@pytest.fixture
def shop(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with served(database, api_key=KEY) as server:
        server.client.headers["authorization"] = f"Bearer {KEY}"
        paid = sample("subscription.active")
        next_at = datetime.now(UTC) + timedelta(days=3)
        paid["data"] |= {
            "product_id": "pdt_pro_monthly",
            "metadata": {"userId": "user_42"},
            "next_billing_date": next_at.isoformat().replace("+00:00", "Z"),
        }
        server.deliver(json.dumps(paid).encode())
        held = sample("subscription.on_hold")
        held["data"] |= {"subscription_id": "sub_held", "status": "on_hold"}
        position = server.deliver(json.dumps(held).encode())
        server.get("/v1/refusals", min_position=position)
        monkeypatch.setenv("RAPHUS_URL", server.url)
        monkeypatch.setenv("RAPHUS_API_KEY", KEY)
        yield Shop(server.url, database)


def run(source: str) -> dict[str, Any]:
    """Run a snippet, and return what it defines."""
    names: dict[str, Any] = {}
    exec(source, names)  # noqa: S102 -- our own
    return names


def away(names: dict[str, Any]) -> None:
    """Let a snippet's client ask where nobody is."""
    names["raphus"] = type(names["raphus"])("http://127.0.0.1:1")


@pytest.mark.usefixtures("shop")
def test_a_page_is_guarded() -> None:
    guard = run(PYTHON[0])
    assert guard["may_enter"]("user_42") is True
    assert guard["may_enter"]("user_43") is False
    away(guard)
    assert guard["may_enter"]("user_42") is False


@pytest.mark.usefixtures("shop")
def test_a_yes_is_kept_and_stays_while_nobody_answers() -> None:
    guard = run(PYTHON[1])
    assert guard["may_enter"]("user_42") is True
    assert guard["may_enter"]("user_43") is False
    away(guard)
    assert guard["may_enter"]("user_42") is True
    assert guard["kept"].keys() == {"user_42"}
    guard["kept"]["user_42"] -= guard["KEPT_S"]
    assert guard["may_enter"]("user_42") is True
    guard["kept"]["user_42"] -= guard["STAYS_S"]
    assert guard["may_enter"]("user_42") is False
    assert guard["may_enter"]("user_43") is False


@pytest.mark.usefixtures("shop")
def test_a_page_is_guarded_by_a_server_that_awaits() -> None:
    app = run(PYTHON[2])
    with listening("127.0.0.1", 0) as sock, in_background(app["app"], sock):
        url = f"{url_of(sock)}/reports"

        def as_user(user: str) -> httpx.Response:
            return httpx.get(url, headers={"x-user": user}, trust_env=False, timeout=GUARD_S)

        assert as_user("user_42").text == "your reports"
        stranger = as_user("user_43")
        assert (stranger.status_code, stranger.text) == (
            402,
            "No webhook about such a person has been seen.",
        )
        away(app)
        assert as_user("user_42").status_code == 503


@pytest.mark.usefixtures("shop")
def test_a_billing_screen_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    run(PYTHON[3])
    assert capsys.readouterr().out.startswith("pdt_pro_monthly active 1900 USD\n  next charge: 20")
    run(PYTHON[3].replace("user_42", "user_43"))
    assert capsys.readouterr().out == "You have bought nothing yet.\n"


@pytest.mark.usefixtures("shop")
def test_a_list_is_gone_through(capsys: pytest.CaptureFixture[str]) -> None:
    run(PYTHON[4])
    assert capsys.readouterr().out.startswith("sub_held cus_")
    assert len(PYTHON) == 5


@pytest.mark.usefixtures("shop")
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
def test_curl_asks() -> None:
    (asking,) = [shell for shell in code("sh") if shell.startswith("curl")]
    answer = subprocess.run(["sh", "-c", asking], check=True, capture_output=True, timeout=GUARD_S)
    assert json.loads(answer.stdout)["access"] is True
    env = {**os.environ, "RAPHUS_API_KEY": "wrong"}
    refused = subprocess.run(["sh", "-c", asking], env=env, check=False, timeout=GUARD_S)
    assert refused.returncode == 22


def test_sql_lists(shop: Shop) -> None:
    (queries,) = code("sql")
    with psycopg.connect(shop.database) as conn:
        found = [conn.execute(one.encode()).fetchall() for one in queries.split(";") if one.strip()]
    charged, going_over, of_user, to_buy, disputes = found
    assert [row[2] for row in charged] == ["pdt_pro_monthly"]
    assert going_over == []
    assert [row[1] for row in of_user] == ["active"]
    assert to_buy == []
    assert disputes == []


def test_typescript_asks_what_there_is_by_parameters_that_there_are() -> None:
    taken = {path: operation["parameters"] for _, path, operation in operations(DOCUMENT)}
    typed = set(re.findall(r'paths\["([^"]+)"\]', TYPESCRIPT))
    asked = {
        re.sub(r"\$\{encodeURIComponent\(\w+\)\}", "{external_id}", path)
        for path in re.findall(r"ask\([\"`](/[^\"`]+)[\"`]", TYPESCRIPT)
    }
    assert typed == asked == {"/v1/access", "/v1/customers/external/{external_id}/state"}
    assert typed <= taken.keys()
    (query,) = re.findall(r"access\({ (.+) }\)", TYPESCRIPT)
    names = set(re.findall(r"(\w+):", query))
    assert names == {"external_id", "product_id"}
    assert names <= {parameter["name"] for parameter in taken["/v1/access"]}


@pytest.mark.parametrize(
    ("variable", "schemas"),
    [
        ("answer", ["AccessAnswer"]),
        ("state", ["State"]),
        ("one", ["HeldSubscription", "Unpaid"]),
    ],
)
def test_typescript_reads_fields_that_there_are(variable: str, schemas: list[str]) -> None:
    read = set(re.findall(rf"\b{variable}\.(\w+)", TYPESCRIPT))
    assert read
    assert read <= {field for schema in schemas for field in SCHEMAS[schema]["properties"]}
