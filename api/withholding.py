"""What is withheld from answers: what names a person, and what is about the whole instance.

Handlers answer with all there is. Here, at the edge, what the caller may not see becomes null, so
an answer keeps its shape; a header tells that something is withheld.
"""

from __future__ import annotations

from functools import cache
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Generic,
    NamedTuple,
    TypeVar,
    cast,
    get_args,
    get_type_hints,
)

import msgspec

from api.answers.events import AnotherBody, WholeEvent
from api.keys.table import ListedKey
from api.resources.health import Ready
from api.resources.workflows import RouteNow
from domain.aggregates.catalogue import KINDS
from domain.aggregates.product import ProductEntity
from domain.credits.entry import CreditEntry
from domain.entity import Entity
from domain.explanation.evidence import Source
from domain.explanation.explain import Explanation
from domain.personal_data import WORDS, is_emptied, is_word
from ledger.erasures_list import ListedErasure
from workflows.outbox.queries import QueuedJob, RecordedAttempt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from api.http.scopes import Caller

HEADER: Final = b"raphus-withheld"
PERSONAL: Final = "personal"
"""What names a person: told to a key with the scope of this name."""
INSTANCE: Final = "instance"
"""What is about all businesses: told to a key that reads and is bound to none."""

NAMES: Final = frozenset(
    {
        "billing",
        "business_name",
        "card_last_four",
        "custom_field_responses",
        "customer_email",
        "customer_metadata",
        "customer_name",
        "email",
        "metadata",
        "name",
        "phone_number",
        "tax_id",
    }
)
"""The fields that name a person, wherever they stand; of an object, all that an erasure empties.

A word that Dodo lists for a field names nobody, and is told.
"""
OTHER_NAMES: Final[Mapping[type, frozenset[str]]] = {
    ListedKey: frozenset({"name"}),
    RouteNow: frozenset({"name"}),
    ProductEntity: frozenset({"name", "description", "metadata"}),
}
"""Fields of these names that do not."""
# A body has everything; people write what they like as a reason; an error of a job quotes what it
# was about.
ALSO: Final[Mapping[type, frozenset[str]]] = {
    WholeEvent: frozenset({"body"}),
    AnotherBody: frozenset({"body"}),
    ListedErasure: frozenset({"reason", "requested_by"}),
    QueuedJob: frozenset({"problem"}),
    RecordedAttempt: frozenset({"answer"}),
    CreditEntry: frozenset({"description"}),
}
OF_INSTANCE: Final[Mapping[type, frozenset[str]]] = {
    Ready: frozenset(Ready.__struct_fields__) - {"status"}
}
_QUOTED: Final[Mapping[type, frozenset[str]]] = {
    Explanation: frozenset({"value", "note"}),
    Source: frozenset({"said"}),
}
"""What quotes the field that is explained: withheld where that field is."""

_WITH_PARTS: Final = (msgspec.Struct, dict, list)
AnyAnswer = TypeVar("AnyAnswer")


class Shown(NamedTuple, Generic[AnyAnswer]):
    """An answer as its caller may see it, and why what is null in it may be withheld."""

    answer: AnyAnswer
    withheld: list[str]


@cache
def withheld_fields(struct: type, why: str) -> frozenset[str]:
    """Return the fields of a struct that are withheld for a reason; not what quotes others."""
    if why == INSTANCE:
        return OF_INSTANCE.get(struct, frozenset())
    fields = frozenset[str](getattr(struct, "__struct_fields__", ()))
    named = NAMES & fields
    if issubclass(struct, Entity):
        named |= {name for name in fields if is_emptied(name)}
    return named - OTHER_NAMES.get(struct, frozenset()) | ALSO.get(struct, frozenset())


def nullable_fields(struct: type) -> frozenset[str]:
    """Return all fields of a struct that may be withheld."""
    quoted = _QUOTED.get(struct, frozenset())
    return withheld_fields(struct, PERSONAL) | withheld_fields(struct, INSTANCE) | quoted


def tells_of_instance(answers: type) -> bool:
    """Tell whether an answer has anything that is about the whole instance."""
    return answers in OF_INSTANCE


def structs_of(roots: Iterable[object]) -> Iterator[type[msgspec.Struct]]:
    """Yield every struct that these types are made of."""
    seen: set[object] = set()
    waiting = list(roots)
    while waiting:
        type_ = waiting.pop()
        if type_ in seen:
            continue
        seen.add(type_)
        waiting += get_args(type_)
        if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
            waiting += get_type_hints(type_).values()
            yield type_


def withheld_from(caller: Caller, struct: type[msgspec.Struct]) -> list[str]:
    """Return why something of a struct, or of what is in it, may be withheld from a caller."""
    return sorted(why for why in _hidden(caller) if _withholds(struct, why))


@cache
def _withholds(struct: type[msgspec.Struct], why: str) -> bool:
    """Tell whether a struct, or one that is in it, has anything that is withheld for a reason."""
    return any(withheld_fields(one, why) for one in structs_of([struct]))


def _hidden(caller: Caller) -> tuple[str, ...]:
    hidden: tuple[str, ...] = () if caller.sees_persons else (PERSONAL,)
    return hidden if caller.sees_all else (*hidden, INSTANCE)


def shown_to(caller: Caller, answer: AnyAnswer) -> Shown[AnyAnswer]:
    """Return what a caller may see of an answer, which itself stays as it is.

    What is withheld is None, whatever the type of its field.
    """
    hidden = _hidden(caller)
    if not hidden:
        return Shown(answer, [])
    withheld: set[str] = set()
    shown = cast("AnyAnswer", _shown(answer, hidden, withheld, frozenset()))
    return Shown(shown, sorted(withheld))


def _shown(
    value: Any,  # noqa: ANN401 -- any part of an answer
    hidden: tuple[str, ...],
    withheld: set[str],
    quoting: frozenset[type],
) -> Any:  # noqa: ANN401
    """Go through a value; `quoting` are the structs of which what quotes is withheld, too."""
    if isinstance(value, msgspec.Struct):
        return _shown_struct(value, hidden, withheld, quoting)
    if isinstance(value, dict):
        return {key: _shown(item, hidden, withheld, quoting) for key, item in value.items()}
    if isinstance(value, list | tuple) and value and isinstance(value[0], _WITH_PARTS):
        return [_shown(item, hidden, withheld, quoting) for item in value]
    return value


def _shown_struct(
    value: msgspec.Struct, hidden: tuple[str, ...], withheld: set[str], quoting: frozenset[type]
) -> msgspec.Struct:
    struct = type(value)
    if isinstance(value, Explanation) and PERSONAL in hidden:
        quoting = _quoted_by(value)
    reasons = {
        name: why
        for name, why in _reasons(struct, hidden, quoted=struct in quoting).items()
        if not is_word(name, getattr(value, name))
    }
    withheld.update(reasons.values())
    changed: dict[str, object] = dict.fromkeys(reasons)
    for name in _parts(struct) - reasons.keys():
        part = getattr(value, name)
        if part is not None:
            changed[name] = _shown(part, hidden, withheld, quoting)
    return msgspec.structs.replace(value, **changed) if changed else value


@cache
def _parts(struct: type) -> frozenset[str]:
    """Return the fields of a struct that may hold structs."""
    return frozenset(name for name, hint in get_type_hints(struct).items() if _may_hold(hint))


def _may_hold(hint: object) -> bool:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return True
    return hint is Any or isinstance(hint, TypeVar) or any(map(_may_hold, get_args(hint)))


@cache
def _reasons(struct: type, hidden: tuple[str, ...], *, quoted: bool) -> Mapping[str, str]:
    """Return the fields of a struct that are withheld, each with why."""
    reasons = {name: why for why in hidden for name in withheld_fields(struct, why)}
    return {**reasons, **dict.fromkeys(_QUOTED[struct] if quoted else (), PERSONAL)}


def _quoted_by(explanation: Explanation) -> frozenset[type]:
    kind = KINDS.get(explanation.kind)
    personal = NAMES if kind is None else withheld_fields(kind.entity, PERSONAL)
    if explanation.field not in personal:
        return frozenset()
    sources = [*explanation.set_by, *explanation.passed_over]
    said = [explanation.value, *(source.said for source in sources)]
    are_words = explanation.field in WORDS and all(
        one is None or is_word(explanation.field, one) for one in said
    )
    return frozenset() if are_words else frozenset(_QUOTED)
