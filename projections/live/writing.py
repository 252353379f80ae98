"""All rows of streams of one kind, written by one statement."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from psycopg.sql import SQL

from postgres.arrays import InstantArray, TextArray
from postgres.together import Sent
from projections.live.upsert import beside, encoder, given, open_rows, replacing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from psycopg.sql import Composable, Composed

    from domain.aggregate import Aggregate
    from projections.live.regrouping import Regrouping
    from projections.read_model import ReadModel, Row

_NOTHING: Final = SQL("SELECT NULL::int, NULL::text[] WHERE false")
_STATEMENTS_MAX: Final = 32
"""So many statements are kept of a kind; two years of a merchant's events need four at the most."""


class Part(NamedTuple):
    """What a statement does to a read model's table: whether it writes rows, and deletes some."""

    writes: bool
    deletes: bool


class Staged(NamedTuple):
    """What is to be written of one read model: rows, and the streams that may have lost some.

    To each of these is told when what is behind its base begins.
    """

    rows: list[Row]
    losing: dict[str, datetime]


class Writing:
    """Writes the rows that the streams of one kind have in all of their read models.

    It is one round trip, as a page of the log often has but one event, and has parts for what there
    is to do alone: PostgreSQL takes as long to begin with one as to write a row. The parts see the
    tables as they were before the statement, and no two of them write the same row: those of a
    stream that go away are not those that are given.
    """

    def __init__(
        self,
        models: Sequence[ReadModel],
        regroupings: Sequence[Regrouping],
        schema: str,
    ) -> None:
        self._models = models
        self._schema = schema
        self._encoders = [encoder(model) for model in models]
        self._sources = {
            place: (number, regrouping)
            for number, regrouping in enumerate(regroupings)
            for place, model in enumerate(models)
            if model.table == regrouping.source
        }
        self._statement = lru_cache(_STATEMENTS_MAX)(self._composed)

    def begin(self) -> list[Staged]:
        """Return what is staged of streams none of which is: nothing, for each read model."""
        return [Staged([], {}) for _ in self._models]

    def stage(
        self, staged: list[Staged], some: Sequence[Aggregate], new: Sequence[AbstractSet[str]]
    ) -> None:
        """Stage rows of streams that events may have changed, under these webhook-ids of each."""
        touched = [*zip(some, new, strict=True)]
        for model, one in zip(self._models, staged, strict=True):
            for folded, webhook_ids in touched:
                one.rows.extend(model.touched(folded, webhook_ids))
        # One of which all is new, and none has a further body, had no rows to lose.
        grown = [(folded, ids) for folded, ids in touched if folded.version != len(ids)]
        for model, one in zip(self._models, staged, strict=True):
            if model.may_lose:
                for folded, webhook_ids in grown:
                    if model.loses(folded, webhook_ids):
                        one.losing[folded.id] = folded.begins_at

    def stage_all(
        self, staged: list[Staged], some: Sequence[Aggregate], *, losing: bool = False
    ) -> None:
        """Stage all rows of streams, which have none, or are `losing` those that they had."""
        for model, one in zip(self._models, staged, strict=True):
            for folded in some:
                one.rows.extend(model.rows(folded))
                if losing and model.may_lose:
                    one.losing[folded.id] = folded.begins_at

    def write(self, staged: list[Staged]) -> Sent | None:
        """Return what writes what is staged; None where nothing is.

        It selects the groups of the rows that it changes, as they were and as they are, each as an
        array behind the number of its regrouping.
        """
        parts = tuple(Part(bool(one.rows), bool(one.losing)) for one in staged)
        parameters: list[object] = []
        for model, encode, (rows, losing) in zip(self._models, self._encoders, staged, strict=True):
            if rows or losing:
                parameters.append(encode(rows))
            if losing:
                parameters.append(TextArray(losing))
            if losing and model.began:
                parameters.append(InstantArray(losing.values()))
        return Sent(self._statement(parts), parameters) if parameters else None

    def _composed(self, parts: Sequence[Part]) -> bytes:
        """Return the statement that has some parts, each with its parameters behind the last's."""
        named: list[Composable] = []
        groups: list[Composable] = []
        first = 1
        for place, (model, part) in enumerate(zip(self._models, parts, strict=True)):
            number, regrouping = self._sources.get(place, (0, None))
            returning = regrouping.returning if regrouping else SQL("")
            done = dict(self._statements(place, part, first))
            if done:
                rows = given(model, self._schema, SQL(f"${first}"))
                named.append(SQL(f"given_{place} AS ({{}})").format(rows))
                first += 1 + part.deletes * (1 + bool(model.began))
            for what, statement in done.items():
                named.append(SQL(f"{what}_{place} AS ({{}} {{}})").format(statement, returning))
            if done and regrouping:
                changed = regrouping.select_changed({what: SQL(f"{what}_{place}") for what in done})
                groups.append(SQL("SELECT {}, * FROM ({}) AS changed").format(number, changed))
        selected = SQL(" UNION ALL ").join(groups) if groups else _NOTHING
        return SQL("WITH {} {}").format(SQL(", ").join(named), selected).as_bytes(None)

    def _statements(self, place: int, part: Part, first: int) -> Iterator[tuple[str, Composed]]:
        """Give what is done to a table, whose rows are the first of its parameters."""
        model, rows = self._models[place], SQL(f"TABLE given_{place}")
        if part.writes:
            yield "written", replacing(model, self._schema, rows)
        if part.deletes:
            streams, begins_at = SQL(f"${first + 1}::text[]"), SQL(f"${first + 2}::timestamptz[]")
            yield "gone", beside(model, self._schema, rows, open_rows(model, streams, begins_at))
