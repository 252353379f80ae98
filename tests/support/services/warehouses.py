"""ClickHouse, BigQuery and Snowflake, as far as their usual clients ask: tables with rows."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support.services import Asked, Service, basic

USER: Final = "raphus"
PASSWORD: Final = "a password"
Rows = dict[str, list[dict[str, Any]]]


@cache
def key_pair() -> rsa.RSAPrivateKey:
    """Return the key pair of whoever signs in."""
    return rsa.generate_private_key(65537, 2048)


def private_pem() -> str:
    """Return the private key as a resource has it."""
    form = serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    return key_pair().private_bytes(serialization.Encoding.PEM, form, plain).decode()


def claims(token: str) -> dict[str, Any]:
    """Return the claims of a JWT that the key pair has signed.

    Raises:
        InvalidSignature: somebody else has.
    """
    signed, _, signature = token.rpartition(".")
    scheme, digest = padding.PKCS1v15(), hashes.SHA256()
    key_pair().public_key().verify(_bytes(signature), signed.encode(), scheme, digest)
    told: dict[str, Any] = json.loads(_bytes(signed.partition(".")[2]))
    return told


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class ClickHouse(Service):
    """Source: clickhouse.com/docs/interfaces/http. Rows of one key are merged at once."""

    tables: Rows = field(default_factory=dict)

    @property
    def resource(self) -> dict[str, str]:
        """What a Windmill resource says of it."""
        return {"host": self.url, "username": USER, "password": PASSWORD}

    def answer(self, asked: Asked) -> tuple[int, Any]:
        if asked.headers.get("authorization") != basic(USER, PASSWORD):
            return self._refused(516, "Authentication failed")
        statement = asked.body.decode()
        self.headers = {}
        if statement.startswith("SELECT version()"):
            return 200, b"25.8.1.1\tUTC\n"
        if created := re.match(r"CREATE TABLE IF NOT EXISTS `(\w+)` \((.*)\) ENGINE = ", statement):
            assert statement.endswith("ENGINE = ReplacingMergeTree ORDER BY `webhook_id`")
            self.tables.setdefault(created[1], [])
        elif inserted := re.match(r"INSERT INTO `(\w+)` \((.*)\) FORMAT JSONEachRow\n", statement):
            if inserted[1] not in self.tables:
                return self._refused(60, f"Table default.{inserted[1]} does not exist")
            told = json.loads(statement[inserted.end() :])
            assert list(told) == re.findall(r"`(\w+)`", inserted[2])
            others = [one for one in self.tables[inserted[1]] if not _same(one, told)]
            self.tables[inserted[1]] = [*others, told]
        return 200, b""

    def _refused(self, code: int, text: str) -> tuple[int, Any]:
        self.headers = {"X-ClickHouse-Exception-Code": str(code)}
        return 404 if code == 60 else 403, f"Code: {code}. DB::Exception: {text}".encode()


@dataclass
class BigQuery(Service):
    """Source: cloud.google.com/bigquery/docs/reference/rest (tables, tabledata.insertAll).

    It drops a row whose `insertId` it has seen, which the real one does for a minute or so.
    """

    tables: Rows = field(default_factory=dict)
    schemas: dict[str, Any] = field(default_factory=dict)

    @property
    def resource(self) -> dict[str, str]:
        """What a Windmill resource says of it: a service account's key."""
        return {
            "type": "service_account",
            "project_id": "shop",
            "private_key_id": "1",
            "private_key": private_pem(),
            "client_email": "raphus@shop.example",
            "token_uri": f"{self.url}/token",
        }

    def answer(self, asked: Asked) -> tuple[int, Any]:
        if asked.path == "/token":
            signed_in = claims(asked.body["assertion"])["iss"] == "raphus@shop.example"
            token = {"access_token": "ya29.2", "expires_in": 3600, "token_type": "Bearer"}
            return (200, token) if signed_in else (401, {"error": "invalid_grant"})
        if asked.headers.get("authorization") != "Bearer ya29.2":
            return 401, {"error": {"code": 401, "message": "Login Required."}}
        match asked.method, asked.parts[2:]:
            case "POST", ["projects", "shop", "datasets", "raphus", "tables"]:
                name = asked.body["tableReference"]["tableId"]
                self.schemas[name] = asked.body
                self.tables.setdefault(name, [])
                return 200, asked.body
            case "POST", ["projects", "shop", "datasets", "raphus", "tables", name, "insertAll"]:
                return self._insert(name, asked.body["rows"])
            case _:
                return 404, {"error": {"code": 404}}

    def _insert(self, name: str, rows: list[dict[str, Any]]) -> tuple[int, Any]:
        if name not in self.tables:
            return 404, {"error": {"code": 404, "message": f"Not found: Table {name}"}}
        columns = {one["name"]: one["type"] for one in self.schemas[name]["schema"]["fields"]}
        for number, told in enumerate(rows):
            values = told["json"]
            for column, value in values.items():
                if column not in columns:
                    problem = {"reason": "invalid", "message": f"no such field: {value}"}
                    return 200, {"insertErrors": [{"index": number, "errors": [problem]}]}
                if columns[column] == "TIMESTAMP" and value is not None:
                    datetime.fromisoformat(value)
            if not any(_same(one, values) for one in self.tables[name]):
                assert told["insertId"] == values["webhook_id"]
                self.tables[name].append(values)
        return 200, {"kind": "bigquery#tableDataInsertAllResponse"}


@dataclass
class Snowflake(Service):
    """Told after the requests of Snowflake's own drivers: login, query, end of the session."""

    tables: Rows = field(default_factory=dict)

    @property
    def resource(self) -> dict[str, str]:
        """What a Windmill resource says of it."""
        named = {"warehouse": "WH", "database": "SHOP", "schema": "PUBLIC", "role": ""}
        signs = {"private_key": private_pem(), "public_key": ""}
        return {"account_identifier": "acme-shop", "username": USER, **signs, **named}

    def answer(self, asked: Asked) -> tuple[int, Any]:
        if asked.path == "/session/v1/login-request":
            return self._sign_in(asked.body["data"])
        if asked.path != "/queries/v1/query-request":
            return 200, {"success": True, "data": None}
        if asked.headers.get("authorization") != 'Snowflake Token="session"':
            return 200, {"success": False, "code": "390104", "message": "gone", "data": {}}
        statement, bindings = asked.body["sqlText"], asked.body.get("bindings") or {}
        bound = [bindings[number]["value"] for number in sorted(bindings, key=int)]
        name = re.search(r'(?:INTO|EXISTS) "(\w+)"', statement)
        assert name is not None, statement
        if statement.startswith("CREATE TABLE IF NOT EXISTS"):
            self.tables.setdefault(name[1], [])
            return self._counted("status", 0)
        if name[1] not in self.tables:
            problem = {"errorCode": "002003", "sqlState": "42S02", "queryId": "q"}
            text = f"Object '{name[1]}' does not exist or not authorized."
            return 200, {"success": False, "code": "002003", "message": text, "data": problem}
        columns = re.findall(r'\? ?\)? AS "(\w+)"|\(\?\) AS "(\w+)"', statement)
        told = dict(zip((a or b for a, b in columns), bound, strict=True))
        there = any(one["WEBHOOK_ID"] == told["WEBHOOK_ID"] for one in self.tables[name[1]])
        if not there:
            self.tables[name[1]].append(told)
        return self._counted("number of rows inserted", 0 if there else 1)

    def _sign_in(self, told: dict[str, Any]) -> tuple[int, Any]:
        assert told["AUTHENTICATOR"] == "SNOWFLAKE_JWT"
        assert claims(told["TOKEN"])["sub"] == "ACME-SHOP.RAPHUS"
        lives = {"validityInSeconds": 3600, "masterValidityInSeconds": 14400}
        session = {"token": "session", "masterToken": "master", "sessionId": 1, "sessionInfo": {}}
        session["parameters"] = [{"name": "AUTOCOMMIT", "value": True}]
        return 200, {"success": True, "data": session | lives}

    def _counted(self, name: str, number: int) -> tuple[int, Any]:
        column = {"name": name, "type": "fixed", "nullable": False, "scale": 0, "precision": 19}
        told = {"rowtype": [column], "rowset": [[str(number)]], "total": 1, "returned": 1}
        about = {"queryId": "q", "queryResultFormat": "json", "parameters": [], "version": 1}
        return 200, {"success": True, "data": {**told, **about, "statementTypeId": 12544}}


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(one["webhook_id"] == other["webhook_id"])
