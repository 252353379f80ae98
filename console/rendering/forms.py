"""The filters of a page, as a form has them: the sort of each field, and what it is set to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from api.http.questions import PastPage
from console.rendering.cells import Cell
from domain.aggregates.catalogue import KINDS

if TYPE_CHECKING:
    from api.http.operations import Operation
    from api.http.reader import Field
    from console.visit import Visit

_HANDED_ON: Final = frozenset({*PastPage.__struct_fields__})
"""What is no filter: where in the list, and at which time."""
_SORTS: Final = {"date-time": "time", "date": "day", "boolean": "flag"}
_HELP_FOR_PAIRS: Final = "Only with this value under this key of its own metadata: key=value."


class Input(NamedTuple):
    """A field of the form; `words` are what it may be set to, or what is offered."""

    name: str
    label: str
    help: str
    sort: str
    value: str
    words: tuple[str, ...] = ()
    unset: str = "all"
    """What it is called that nothing is set."""


def filters_of(
    operation: Operation[Any, Any, Any], visit: Visit, *, states_of: str | None = None
) -> dict[str, object]:
    """Return what the macro `filters` takes: the filters of an operation, and whether any is set.

    The states of a kind are offered where its objects are asked for by status.
    """
    fields = [field for name, field in operation.reader.query.items() if name not in _HANDED_ON]
    return {
        "filters": [_input(field, states_of, visit) for field in fields],
        "filtered": any(visit.typed_into(field.name) for field in fields),
    }


def _input(field: Field, states_of: str | None, visit: Visit) -> Input:
    schema = field.schema
    words = tuple(schema.get("enum", ()))
    if field.is_mapping:
        sort = "pair"
    elif words:
        sort = "choice"
    else:
        sort = _SORTS.get(str(schema.get("format") or schema["type"]), "text")
    value = visit.typed_into(field.name)
    return Input(
        name=field.name,
        label=Cell(field.name, "head").label,
        help=_HELP_FOR_PAIRS if sort == "pair" else field.description,
        sort=sort,
        value=value.removesuffix("Z") if sort == "time" else value,
        words=tuple(KINDS[states_of].machine.states)
        if states_of and field.name == "status"
        else words,
        unset=str(field.default) if words and field.default is not None else "all",
    )
