"""The description of the server, made from the declarations that it runs on."""

from __future__ import annotations

import inspect
import re
from datetime import datetime
from importlib.metadata import metadata, version
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args, get_type_hints

import msgspec

from api.http.errors import ErrorBody
from api.http.responses import Content
from api.http.scopes import MEANINGS
from api.openapi_components import share
from api.openapi_examples import add_examples
from api.webhooks.endpoint import PATH, Acknowledgement
from api.webhooks.request_body import BODY_BYTES_MAX
from api.withholding import INSTANCE, PERSONAL, nullable_fields, structs_of, withheld_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from api.http.operations import Operation
    from api.http.reader import Field

Json: TypeAlias = "dict[str, Any]"  # a JSON document has no narrower type
_REF: Final = "#/components/schemas/{name}"
_LICENSE: Final = metadata("raphus")["License-Expression"]  # of SPDX, as is OpenAPI's identifier
_FAILURES: Final = {
    400: "The query is not as declared.",
    401: "The key is missing, wrong or revoked.",
    403: "The key may not ask this, or a page of another site asks.",
    503: "Not now; try again after `Retry-After` seconds.",
}
_KEY: Final = (
    "A key has scopes: {scopes}. It may be bound to one business: then what is of any other is"
    " answered as what was never seen. What a key may not see is null, and the header"
    " `raphus-withheld` says why: `personal` or `instance`."
)
_PUBLIC_FAILURES: Final = (400, 503)
_WEBHOOK_FAILURES: Final = {
    400: "That is not an HTTP request.",
    401: "The delivery is not signed with a configured secret, or not now; nothing is stored.",
    408: "The body does not come in time.",
    413: f"The body has more than {BODY_BYTES_MAX} bytes.",
    503: "Not now; nothing is known to be stored. Dodo sends it again.",
}


def document(operations: Sequence[Operation[Any, Any, Any]]) -> Json:
    """Return the OpenAPI 3.1 document of these operations and of the way in."""
    answered = [operation.answers for operation in operations]
    structs = [Acknowledgement, ErrorBody, *(type_ for type_ in answered if type_ is not Content)]
    schemas, components = msgspec.json.schema_components(structs, ref_template=_REF)
    schema_of = dict(zip(structs, schemas, strict=True))
    error = schema_of[ErrorBody]
    paths: Json = {PATH: {"post": _webhook(schema_of[Acknowledgement], error)}}
    for operation in operations:
        answer = schema_of.get(operation.answers, {})
        described = _described(operation, answer, error)
        paths.setdefault(_plain(operation.path), {})[operation.method.lower()] = described
    add_examples(paths)
    whole = {
        "openapi": "3.1.0",
        "info": {
            "title": "Raphus",
            "version": version("raphus"),
            "description": "Keeps what Dodo Payments says happened, and says what is true.",
            "license": {"name": _LICENSE, "identifier": _LICENSE},
        },
        "servers": [{"url": "/", "description": "Where this document was read."}],
        "paths": paths,
        "components": {
            "schemas": _mended(components, structs_of(structs)),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": _of_keys()}
            },
        },
    }
    share(whole)
    return whole


def _described(operation: Operation[Any, Any, Any], answer: Json, error: Json) -> Json:
    failures = {status: _FAILURES[status] for status in _PUBLIC_FAILURES}
    if operation.secured:
        failures = _FAILURES
    described = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [
            *(_parameter(field, "path") for field in operation.reader.path.values()),
            *(_parameter(field, "query") for field in operation.reader.query.values()),
        ],
        "responses": {
            "200": {
                "description": "Done.",
                "content": {media: {"schema": answer} for media in operation.media_types},
            },
            **_failures({**failures, **(operation.may_fail or {})}, error),
        },
    }
    if not operation.secured:
        return {**described, "security": []}
    whole = ", not bound to a business" if operation.of_all else ""
    needs = f"Needs a key with the scope `{operation.scope}`{whole}."
    return {**described, "description": needs, "security": [{"key": [operation.scope]}]}


def _of_keys() -> str:
    return _KEY.format(scopes="; ".join(f"`{name}` {said}" for name, said in MEANINGS.items()))


def _webhook(answer: Json, error: Json) -> Json:
    headers = ("webhook-id", "webhook-timestamp", "webhook-signature")
    return {
        "operationId": "receive_webhook",
        "summary": "Take a webhook of Dodo's, signed as Standard Webhooks tell.",
        "parameters": [
            {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
            for name in headers
        ],
        "requestBody": {"required": False, "content": {"application/json": {"schema": {}}}},
        "responses": {
            "200": {
                "description": "It is stored, durably.",
                "content": {"application/json": {"schema": answer}},
            },
            **_failures(_WEBHOOK_FAILURES, error),
        },
        "security": [],
    }


def _parameter(field: Field, where: str) -> Json:
    style = {"style": "deepObject", "explode": True} if field.is_mapping else {}
    return {
        "name": field.name,
        "in": where,
        "required": where == "path",
        "description": field.description,
        **style,
        "schema": field.schema,
    }


def _failures(meanings: dict[int, str], error: Json) -> Json:
    content = {"application/json": {"schema": error}}
    return {
        str(status): {"description": meaning, "content": content}
        for status, meaning in sorted(meanings.items())
    }


def _plain(path: str) -> str:
    return re.sub(r":[a-z]+}", "}", path)


def _mended(components: Json, structs: Iterable[type[msgspec.Struct]]) -> Json:
    """Add what msgspec leaves out.

    That times are times, what may be withheld, and where a docstring's lines begin.
    """
    for struct in structs:
        for schema in _times(struct, components[struct.__name__]):
            schema["format"] = "date-time"
        _tell_withheld(struct, components[struct.__name__])
    for schema in components.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    return components


def _times(struct: type[msgspec.Struct], schema: Json) -> Iterator[Json]:
    """Yield what describes the struct's times."""
    hints = get_type_hints(struct)
    names = zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True)
    for name, encoded in names:
        if hints[name] is datetime or datetime in get_args(hints[name]):
            described = schema["properties"][encoded]
            options = described.get("anyOf", [described])
            yield from (option for option in options if option["type"] == "string")


def _tell_withheld(struct: type[msgspec.Struct], schema: Json) -> None:
    """Let what may be withheld be null, and say from whom it is."""
    encoded = dict(zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True))
    for name in nullable_fields(struct):
        described = schema["properties"][encoded[name]]
        options = described.get("anyOf", [described])
        if {"type": "null"} not in options:
            options = [*options, {"type": "null"}]
        why = INSTANCE if name in withheld_fields(struct, INSTANCE) else PERSONAL
        told = f"Null where `raphus-withheld` says `{why}`."
        schema["properties"][encoded[name]] = {"anyOf": options, "description": told}
