"""A server for tests: the whole application on loopback, a real client, and a signer."""

from __future__ import annotations

import base64
import itertools
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import httpx
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier
from standardwebhooks import Webhook

from api.app import application
from api.http.auth import KeyGuard, OpenOnLoopback
from api.http.listening import listening, url_of
from api.http.server import in_background
from api.webhooks.endpoint import PATH
from api.webhooks.verifier import Verifier
from console.catalogue import console
from domain.delivery import Delivery
from tests.support.connected import connected, disconnect
from tests.support.quick_client import QuickClient
from tests.support.waiting import GUARD_S, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from api.queries.read_side import Rules

    CopyOf: TypeAlias = Callable[[Callable[[str], object]], AbstractContextManager[str]]

SECRET: Final = "whsec_" + base64.b64encode(b"a secret that tests know").decode()
# A client trusts nobody, and so is made at once.
_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# Copying files takes a tenth of the processor time of copying by the write-ahead log.
_COPY: Final = SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
_LATER: Final = {"not_yet", "preparing"}
_numbers = itertools.count(1)


def signed(body: bytes, webhook_id: str, secret: str = SECRET) -> dict[str, str]:
    """Return the headers of a delivery that is sent now."""
    now = datetime.now(UTC)
    return {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, now, body.decode()),
    }


def as_signed(body: bytes, webhook_id: str) -> Delivery:
    """Return a delivery of a body as a server takes it, which is sent now."""
    headers = signed(body, webhook_id)
    return Delivery(webhook_id, headers["webhook-timestamp"], headers["webhook-signature"], body)


@dataclass(frozen=True)
class Served:
    """A running server, and a client of it."""

    url: str
    client: httpx.Client

    def post(
        self, body: bytes, webhook_id: str | None = None, secret: str = SECRET
    ) -> httpx.Response:
        """Deliver a body, under a new webhook-id unless one is given."""
        webhook_id = webhook_id or f"msg_{next(_numbers)}"
        return self.client.post(PATH, content=body, headers=signed(body, webhook_id, secret))

    def deliver(self, body: bytes, webhook_id: str | None = None) -> str:
        """Deliver a body that must be stored, and return its position."""
        response = self.post(body, webhook_id)
        assert response.status_code == 200, response.text
        position: str = response.json()["position"]
        return position

    def get(self, path: str, **query: str | int) -> Any:  # noqa: ANN401 -- JSON
        """Ask what must be answered, and return the answer."""
        return asked(self.client, path, **query)

    def refused(self, path: str, **query: str | int) -> tuple[int, str]:
        """Ask what must be refused; return the status and the error's code."""
        response = self.client.get(path, params=query)
        error = response.json()["error"]
        assert error.keys() == {"code", "message", "details"}
        return response.status_code, error["code"]


def asked(client: httpx.Client, path: str, **query: str | int) -> Any:  # noqa: ANN401 -- JSON
    """Ask what must be answered, and return the answer.

    On a busy machine it is asked more than once: what is newest may take a while to show.
    """
    answers: list[httpx.Response] = []

    def is_shown() -> bool:
        answers.append(client.get(path, params=query))
        return answers[-1].status_code != 503 or _code(answers[-1]) not in _LATER

    until(is_shown)
    assert answers[-1].status_code == 200, answers[-1].text
    return answers[-1].json()


def _code(response: httpx.Response) -> str:
    return str(response.json()["error"]["code"])


@contextmanager
def copied(cluster: str, template: str) -> Iterator[str]:
    """Give a fresh copy of a database, for as long as the block lasts."""
    name = f"copy_{next(_numbers)}"
    conninfo = _copy(cluster, template, name)
    try:
        yield conninfo
    finally:
        disconnect(conninfo)
        with connected(cluster, autocommit=True) as conn:
            conn.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def filled(cluster: str, template: str, name: str, fill: Callable[[str], object]) -> str:
    """Make a copy of a database, fill it, and return its name: it is copied and never used."""
    fill(_copy(cluster, template, name))
    return name


def _copy(cluster: str, template: str, name: str) -> str:
    disconnect(make_conninfo(cluster, dbname=template))  # nobody may use what is copied
    with connected(cluster, autocommit=True) as conn:
        conn.execute(_COPY.format(Identifier(name), Identifier(template)))
    return make_conninfo(cluster, dbname=name)


@contextmanager
def served(
    conninfo: str,
    *,
    secrets: tuple[str, ...] = (SECRET,),
    api_key: str | None = None,
    rules: Rules | None = None,
) -> Iterator[Served]:
    """Serve a migrated database on a free port, until the block ends."""
    guard = KeyGuard(api_key) if api_key else OpenOnLoopback()
    app = application(conninfo, Verifier(secrets), guard, rules, site=console)
    with listening("127.0.0.1", 0) as sock, in_background(app, sock):
        url = url_of(sock)
        with QuickClient(url, timeout=GUARD_S, verify=_NO_TLS) as client:
            yield Served(url, client)
