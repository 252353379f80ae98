"""The columns of a struct's fields, as every format of a file has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, cast

from msgspec import inspect

if TYPE_CHECKING:
    from collections.abc import Iterable

    import msgspec

Sort: TypeAlias = Literal["text", "integer", "float", "flag", "instant", "day", "decimal", "json"]
_SORTS: Final[dict[type[inspect.Type], Sort]] = {
    inspect.StrType: "text",
    inspect.EnumType: "text",
    inspect.LiteralType: "text",
    inspect.IntType: "integer",
    inspect.FloatType: "float",
    inspect.BoolType: "flag",
    inspect.DateTimeType: "instant",
    inspect.DateType: "day",
    inspect.DecimalType: "decimal",
    inspect.AnyType: "json",
}


class Scalar(NamedTuple):
    """One value; `json` is of any of several types, told as the text of its JSON."""

    sort: Sort


class Items(NamedTuple):
    """Values in an order."""

    item: Shape


class Mapping(NamedTuple):
    """Values by a text."""

    value: Shape


class Record(NamedTuple):
    """Values by fields: a struct within a struct."""

    columns: tuple[Column, ...]


Shape: TypeAlias = Scalar | Items | Mapping | Record


class Column(NamedTuple):
    """A field: how it is named in what goes out and in the struct, and what stands in it.

    Any may be null, also one that never is in an answer: it may be withheld.
    """

    name: str
    field: str
    shape: Shape


def columns_of(struct: type[msgspec.Struct]) -> tuple[Column, ...]:
    """Return a struct's columns, in the order of its fields.

    Raises:
        TypeError: a field has a type that no column stands for.
    """
    declared = cast("inspect.StructType", inspect.type_info(struct))
    return _columns(declared)


def _columns(struct: inspect.StructType) -> tuple[Column, ...]:
    return tuple(
        Column(field.encode_name, field.name, _shape(field.type)) for field in struct.fields
    )


def _shape(type_: inspect.Type) -> Shape:
    if isinstance(type_, inspect.Metadata):
        return _shape(type_.type)
    if isinstance(type_, inspect.UnionType):
        options = [one for one in type_.types if not isinstance(one, inspect.NoneType)]
        return _shape(options[0]) if len(options) == 1 else Scalar("json")
    if isinstance(type_, inspect.StructType):
        return Record(_columns(type_))
    if isinstance(type_, inspect.ListType | inspect.VarTupleType):
        return Items(_shape(type_.item_type))
    if isinstance(type_, inspect.DictType):
        return Mapping(_shape(type_.value_type))
    return Scalar(_sort(type_))


def _sort(type_: inspect.Type) -> Sort:
    sort = _SORTS.get(type(type_))
    if sort is None or not all(isinstance(word, str) for word in _words(type_)):
        raise TypeError(f"no column is declared for {type_}")
    return sort


def _words(type_: inspect.Type) -> Iterable[Any]:
    """Return what a type lists as its values."""
    if isinstance(type_, inspect.EnumType):
        return type_.cls
    return type_.values if isinstance(type_, inspect.LiteralType) else ()
