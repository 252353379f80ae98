"""All rows of streams of one kind, written by one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from psycopg.sql import SQL

from postgres.arrays import TextArray
from postgres.prepared import execute
from projections.live.upsert import delete, encoder, open_rows, upsert

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from psycopg import Connection
    from psycopg.sql import Composed

    from domain.aggregate import Aggregate
    from projections.live.regrouping import Group, Regrouping
    from projections.read_model import ReadModel, Row

_NOTHING: Final = SQL("SELECT NULL::int, NULL::text[] WHERE false")


class Staged(NamedTuple):
    """What is to be written of one read model: rows, and the streams that may have lost some.

    To each of these is told when what is behind its base begins.
    """

    rows: list[Row]
    losing: dict[str, datetime]


class Writing:
    """Writes the rows that the streams of one kind have in all of their read models.

    It is one round trip, as a page of the log often has but one event. The statement's parts see
    the tables as they were before it, and no two of them write the same row: those of a stream that
    go away are not those that are given.
    """

    def __init__(
        self,
        models: Sequence[ReadModel],
        regroupings: Sequence[Regrouping],
        schema: str,
    ) -> None:
        self._models = models
        self._encoders = [encoder(model) for model in models]
        self._losing = [place for place, model in enumerate(models) if model.may_lose]
        self._sources = [
            (number, regrouping, place)
            for number, regrouping in enumerate(regroupings)
            for place, model in enumerate(models)
            if model.table == regrouping.source
        ]
        self._statement = self._write(schema).as_bytes(None)

    def begin(self) -> list[Staged]:
        """Return what is staged of streams none of which is: nothing, for each read model."""
        return [Staged([], {}) for _ in self._models]

    def stage(self, staged: list[Staged], folded: Aggregate, new: AbstractSet[str]) -> None:
        """Stage the rows of a stream that events under these webhook-ids may have changed."""
        for model, one in zip(self._models, staged, strict=True):
            one.rows.extend(model.touched(folded, new))
            if model.may_lose and model.loses(folded, new):
                one.losing[folded.id] = folded.begins_at

    def stage_all(self, staged: list[Staged], folded: Aggregate, *, losing: bool = False) -> None:
        """Stage all rows of a stream, which has none, or is `losing` those that it had."""
        for model, one in zip(self._models, staged, strict=True):
            one.rows.extend(model.rows(folded))
            if losing and model.may_lose:
                one.losing[folded.id] = folded.begins_at

    def write(self, conn: Connection, staged: list[Staged]) -> list[tuple[int, Group]]:
        """Write what is staged, in the caller's transaction.

        Returns the groups of the rows that are written, and of those that losing streams had, each
        with the number of its regrouping.
        """
        told = zip(self._encoders, staged, strict=True)
        parameters: list[object] = [encode(rows) for encode, (rows, _) in told]
        for place in self._losing:
            losing = staged[place].losing
            parameters.append(TextArray(losing))
            if self._models[place].began:
                parameters.append([*losing.values()])
        were = execute(conn, self._statement, parameters)
        groups = [(number, tuple(group)) for number, group in were]
        for number, regrouping, place in self._sources:
            groups += [(number, one) for one in regrouping.groups_of(staged[place].rows)]
        return groups

    def _write(self, schema: str) -> Composed:
        parts = []
        for place, model in enumerate(self._models):
            rows = SQL(f"${place + 1}")
            written = upsert(model, schema, rows)
            parts.append(SQL(f"written_{place} AS ({{}})").format(written))
            if model.may_lose:
                gone = delete(model, schema, rows, self._open(place))
                parts.append(SQL(f"gone_{place} AS ({{}})").format(gone))
        groups = [
            SQL("SELECT {}, * FROM ({}) AS were").format(
                number, regrouping.select_groups(self._open(place))
            )
            for number, regrouping, place in self._sources
        ]
        selected = SQL(" UNION ALL ").join(groups) if groups else _NOTHING
        return SQL("WITH {} {}").format(SQL(", ").join(parts), selected)

    def _open(self, place: int) -> Composed:
        """The condition that a row is one that its stream may have lost."""
        before = self._losing[: self._losing.index(place)]
        first = len(self._models) + 1 + sum(1 + bool(self._models[one].began) for one in before)
        streams, begins_at = SQL(f"${first}::text[]"), SQL(f"${first + 1}::timestamptz[]")
        return open_rows(self._models[place], streams, begins_at)
