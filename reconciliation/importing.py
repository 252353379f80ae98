"""Takes all that Dodo's API has into the log: lists first, then what only whole objects say.

The state of everything is in the lists: 100 objects a request. What they lack (a cart, a tax, an
error) is in the objects themselves, at one request each, and so comes behind, the newest first, and
only where no webhook has told it. How far each walk is, is committed behind what was recorded: who
is killed reads a page again at the most, which says nothing new then. That all has come to its end
is an event in the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from reconciliation.details import DETAILED
from reconciliation.finished import tell_finished
from reconciliation.import_details import (
    DOUBTFUL,
    GRANTS,
    ask_details,
    ask_doubtful,
    walk_customers,
    walk_of,
)
from reconciliation.import_lists import walk_lists
from reconciliation.things import THINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciliation.import_state import ImportState, Standing
    from reconciliation.session import Session


class Counts(NamedTuple):
    """How many objects of a sort were read, and how many of them said what was not known."""

    objects: int
    news: int


def import_all(
    session: Session, state: ImportState, *, with_details: bool
) -> Iterator[tuple[str, Counts]]:
    """Read everything, and yield what came of each sort of thing.

    It goes on where the last import was stopped, and begins anew where that came to its end.

    Raises:
        DodoError: Dodo cannot be asked, or a page cannot be read; what came before is kept.
        UnrecordedError, psycopg.Error: the database is away; what came before is kept.
        BehindError: the read models, which tell what to read one by one, do not follow the log.
    """
    if state.has_ended(GRANTS if with_details else THINGS[-1].name):
        tell_finished(session, state)
        state.forget()
    taker = session.taker
    for thing in THINGS:
        yield thing.name, _counts(walk_lists(taker, state, thing))
    if with_details:
        session.catch_up()
        yield DOUBTFUL, _counts(ask_doubtful(taker, state))
        for kind in DETAILED:
            yield walk_of(kind), _counts(ask_details(taker, state, kind))
        yield GRANTS, _counts(walk_customers(taker, state))
    tell_finished(session, state)


def _counts(standing: Standing[Any]) -> Counts:
    return Counts(standing.objects, standing.news)
