"""What a key may not see: the server sends null for it, which the answers' types do not allow."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
from msgspec import inspect

T = TypeVar("T")
HEADER: Final = "raphus-withheld"


def read_withheld(body: bytes, answer: type[T]) -> T:
    """Read an answer of which something is withheld: that is None, or else an empty text or dict.

    Raises:
        msgspec.DecodeError: it is no such answer.
    """
    return msgspec.convert(_filled(msgspec.json.decode(body), inspect.type_info(answer)), answer)


def _filled(value: Any, type_: inspect.Type) -> Any:  # noqa: ANN401 -- any part of an answer
    """Put what is empty in the place of each null that a type does not allow."""
    match type_, value:
        case inspect.StrType() | inspect.DictType(), None:
            value = "" if isinstance(type_, inspect.StrType) else {}
        case inspect.DictType(value_type=inner), dict():
            value = {key: _filled(item, inner) for key, item in value.items()}
        case inspect.ListType(item_type=inner), list():
            value = [_filled(item, inner) for item in value]
        case inspect.StructType(fields=fields), dict():
            types = {field.encode_name: field.type for field in fields}
            known = types.keys() & value.keys()
            value = {name: _filled(value[name], types[name]) for name in known}
        case inspect.UnionType(types=types), dict() | list():
            value = _filled(value, next(one for one in types if not _is_none(one)))
        case _:
            pass
    return value


def _is_none(type_: inspect.Type) -> bool:
    return isinstance(type_, inspect.NoneType)
