"""Who is meant by an address or an id is planned once: the one plan serves all values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from domain.identities import EXTERNAL_ID_KEYS
from projections.read_models import holdings
from projections.read_models.claims import Asked
from projections.read_models.holdings import Limits
from tests.support.connected import connected
from tests.support.http_server import copied

if TYPE_CHECKING:
    from collections.abc import Iterator

THINGS: Final = 5_000
BELIEVED: Final = 10_000_000
"""So many the planner believes there are: the more, the more it hopes of a plan for one value."""
RARE: Final = "bus_rare"
LIMITS: Final = Limits(101, 10, 100, 1_001, 10_000)
ASKED_TIMES: Final = 10
"""PostgreSQL plans the first five anew, whatever that promises."""

_FILL: Final = f"""
    INSERT INTO raphus.identities (stream_id, kind, id, business_id, first_position, valid_from,
        ordinal, occurred_at, rank, webhook_id, customer_id, email, email_folded,
        customer_metadata, metadata)
    SELECT 'subscription/bus_1/sub_' || n, 'subscription', 'sub_' || n,
        CASE n %% 100 WHEN 0 THEN %(rare)s ELSE 'bus_1' END, n, '2026-01-01', 0, '2026-01-01', 1,
        'msg_' || n, 'cus_' || n, n || '@example.com', n || '@example.com',
        json_build_object('user_id', 'user_' || n), json_build_object('user_id', 'user_' || n)
    FROM generate_series(1, {THINGS}) AS n
"""
_BELIEVE: Final = f"""
    UPDATE pg_class SET reltuples = {BELIEVED} WHERE oid = 'raphus.identities'::regclass
"""
_PLANNED: Final = "SELECT generic_plans, custom_plans FROM pg_prepared_statements"


@pytest.fixture(scope="module", params=["bus_1", RARE])
def filled(cluster: str, template: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give a table that the planner takes for a large one: of one business, or of a small one, too.

    What the planner hopes of a value hangs on how many others there are.
    """
    with copied(cluster, template) as conninfo:
        with connected(conninfo, autocommit=True) as conn:
            conn.execute("ALTER TABLE raphus.identities SET (autovacuum_enabled = false)")
            conn.execute(_FILL.encode(), {"rare": request.param})
            conn.execute("ANALYZE raphus.identities")
            conn.execute(_BELIEVE.encode())
        yield conninfo


@pytest.mark.parametrize("business_id", [None, "bus_1", RARE])
@pytest.mark.parametrize("by", ["email", "external_id"])
def test_the_plan_of_who_is_meant_is_kept(filled: str, by: str, business_id: str | None) -> None:
    with psycopg.connect(filled, autocommit=True) as conn:
        conn.execute("SET search_path = raphus")
        for n in range(1, 1 + ASKED_TIMES):
            named = {"email": f"{n}@example.com", "external_id": f"user_{n}"}
            asked = Asked(**{by: named[by]}, keys=EXTERNAL_ID_KEYS)
            statement = holdings.now(asked, LIMITS, business_id, identified=False)
            rows = conn.execute(statement.sql.encode(), statement.params, prepare=True).fetchall()
            persons = [row for row in rows if row[0] == holdings.PERSON]
            assert len(persons) == (business_id != RARE)
        assert conn.execute(_PLANNED).fetchall() == [(ASKED_TIMES - 5, 5)]
