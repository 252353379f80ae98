"""The ready-made Windmill scripts: how one is run, and what with."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from cli.sample_events import sample as made_up
from tests.support.histories import delivery
from tests.support.http_server import served
from tests.support.samples import PROJECT, Body, sample
from tests.support.triggers import trigger
from tests.support.windmill_stand_in import Worker
from workflows.job_arguments import Transformer
from workflows.routes.parser import read_text
from workflows.trial_run import arguments as trial

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from tests.support.http_server import Served
    from tests.support.outside import Post, Web

WORKSPACE: Final = PROJECT / "windmill"
WORKER: Final = Worker()
JOB: Final = "6fa2d0d8-52b5-5b7e-9d4b-1c9f4d1e0a11"
"""A job that Raphus has started."""
API_KEY: Final = "a key of sixteen characters"
"""Which scripts ask Raphus with."""


def script(name: str) -> ModuleType:
    """Import a script by its path, as Windmill does."""
    if str(WORKSPACE) not in sys.path:
        sys.path.append(str(WORKSPACE))
    return importlib.import_module(f"f.raphus.{name}")


def run(
    name: str, arguments: dict[str, Any], worker: Worker = WORKER, job: str = JOB, /, **more: object
) -> dict[str, Any]:
    """Run a script as Windmill's worker, and its wrapper for Python, do, as the job of that id.

    Arguments go through JSON, and references in them are replaced; those that `main` does not
    name are left out; one that is missing is None, or its default if it has one.
    """
    os.environ["WM_JOB_ID"] = job
    entrypoint, given = worker.called(json.loads(json.dumps({**arguments, **more})))
    main = getattr(script(name), entrypoint)
    taken = {
        parameter.name: given.get(parameter.name)
        for parameter in inspect.signature(main).parameters.values()
        if given.get(parameter.name) is not None or parameter.default is parameter.empty
    }
    result: dict[str, Any] = json.loads(json.dumps(main(**taken)))
    return result


def sent(transformation: str, *bodies: Body, replay: int = 0) -> dict[str, Any]:
    """Return the arguments of the job that the last of these bodies starts."""
    recorded = [delivery(msgspec.json.encode(body), f"msg_{n}") for n, body in enumerate(bodies)]
    *earlier, last = recorded
    text = f'[[route]]\nname="x"\non=["*"]\nscript="f/a/b"\ntransformation="{transformation}"'
    (route,) = read_text(PROJECT / "windmill.toml", text.encode())
    given = trigger(last, *earlier, replay=replay)
    arguments: dict[str, Any] = json.loads(asyncio.run(Transformer().arguments(route, given)))
    return arguments


def announced(type_: str) -> dict[str, Any]:
    """Return the arguments of the job that a made-up event of Raphus's own starts."""
    text = '[[route]]\nname="x"\non=["access.*", "anomaly.*"]\nscript="f/a/b"'
    (route,) = read_text(PROJECT / "windmill.toml", text.encode())
    arguments: dict[str, Any] = json.loads(asyncio.run(trial(route, made_up(type_))))
    return arguments


def at(body: Body, timestamp: str, **data: Any) -> Body:  # noqa: ANN401 -- JSON
    """Let a body say that it happened then, with other data."""
    body["timestamp"] = timestamp
    body["data"] |= data
    return body


def subscription(type_: str, timestamp: str, **data: Any) -> Body:  # noqa: ANN401 -- JSON
    """Make a body of the subscription sub_1."""
    about = {"subscription_id": "sub_1", "customer": {"customer_id": "cus_1"}, "status": None}
    return at(sample(f"subscription.{type_}"), timestamp, **(about | data))


def began() -> Body:
    """Make the body that tells that sub_1 began, on 1 April."""
    return subscription("active", "2026-04-01T00:00:00Z", quantity=1)


def held() -> Body:
    """Make the body that tells that sub_1 is on hold, since 1 May."""
    return subscription("on_hold", "2026-05-01T00:00:00Z", quantity=2)


def dispute(type_: str = "opened", **data: Any) -> Body:  # noqa: ANN401 -- JSON
    """Make a body of the dispute dp_1."""
    about = {"dispute_id": "dp_1", "payment_id": "pay_1", "remarks": "Not <mine> & never was"}
    return at(sample(f"dispute.{type_}"), "2026-05-01T12:00:00.5Z", **(about | data))


def told(raphus: Served, *bodies: Body) -> dict[str, Any]:
    """Deliver bodies; return the arguments of the job that the last one starts."""
    position = [raphus.deliver(json.dumps(body).encode()) for body in bodies][-1]
    arguments = sent("state", *bodies)
    arguments["event"]["position"] = position
    return arguments


@contextmanager
def served_with_key(database: str) -> Iterator[Served]:
    """Serve a database to whoever has the API key, as the client has."""
    with served(database, api_key=API_KEY) as running:
        running.client.headers["authorization"] = f"Bearer {API_KEY}"
        yield running


def by_raphus(raphus: Served) -> dict[str, Any]:
    """Return what a script is given that asks Raphus."""
    return {"raphus_url": raphus.url, "raphus_api_key": API_KEY}


def by_mail(raphus: Served, mails: Post, resource: dict[str, Any]) -> dict[str, Any]:
    """Return what a script is given that writes mails of what Raphus says."""
    sends = {"mail_from": "raphus@shop.example", "smtp": mails.resource}
    return {**by_raphus(raphus), **sends, "database": resource}


def by_slack(slack: Web, resource: dict[str, Any]) -> dict[str, Any]:
    """Return what a script is given that tells it by Slack."""
    url = f"{slack.url}/api/chat.postMessage"
    return {"slack": {"token": "xoxb-1"}, "slack_url": url, "database": resource}


def resource_of(database: str) -> dict[str, Any]:
    """Return what a Windmill resource says of a database."""
    return {"port": 5432, "password": "", "sslmode": "prefer", **conninfo_to_dict(database)}


def rows(database: str, table: str) -> list[dict[str, Any]]:
    """Return all of a table."""
    with psycopg.connect(database, row_factory=dict_row) as conn:
        return conn.execute(f"SELECT * FROM {table}".encode()).fetchall()
