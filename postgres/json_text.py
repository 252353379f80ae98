"""JSON as it is encoded already, as a parameter of a statement."""

from __future__ import annotations

from psycopg import adapters
from psycopg.adapt import Dumper
from psycopg.postgres import types


class JsonText(bytes):
    """A JSON text in UTF-8, as a parameter of type json: it is sent as it is."""

    __slots__ = ()


class _JsonTextDumper(Dumper):
    oid = types["json"].oid

    def dump(self, obj: JsonText) -> bytes:
        return obj


adapters.register_dumper(JsonText, _JsonTextDumper)
