"""Plans: what is recorded of jobs costs what these jobs cost, however many others there are."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any, Final
from uuid import UUID

import pytest

from postgres.connections import FOLLOWING, connect
from workflows.dispatch import outcome_poller as outcomes
from workflows.outbox import table as jobs

JOB: Final = str(UUID(int=1))
ATTEMPT: Final = (
    f'{{"job_id": "{JOB}", "number": 1, "attempted_at": "2026-01-01T00:00:00Z", "took_ms": 1,'
    ' "status": 201, "answer": ""}'
)
STATE: Final = f'{{"job_id": "{JOB}", "attempts": 1, "state": "started"}}'
MANY: Final = 300


@pytest.mark.parametrize(
    ("statement", "given"),
    [
        (jobs._RECORD, [f"[{','.join([one] * MANY)}]" for one in (ATTEMPT, STATE)]),
        (outcomes._ENDED, [[JOB] * MANY, ["succeeded"] * MANY, [None] * MANY]),
        (outcomes._LATER, {"give_up_s": 1.0, "most_s": 1.0, "job_ids": [JOB] * MANY}),
    ],
    ids=["started", "ended", "not ended"],
)
def test_jobs_are_found_by_their_ids_also_while_statistics_know_of_none_that_waits_or_runs(
    database: str,
    statement: str,
    given: Any,  # noqa: ANN401 -- what psycopg takes
) -> None:
    fill = """
        INSERT INTO raphus.windmill_outbox
            (job_id, route, stream_id, webhook_id, type, position, known_position, state, ask_at)
        SELECT gen_random_uuid(), 'all', 'sub_1', 'msg_1', 'type', 1, 1, state, now()
        FROM generate_series(1, %s), unnest(%s::text[]) AS state
    """
    with closing(connect(database, FOLLOWING, "test")) as conn:
        conn.execute("ALTER TABLE raphus.windmill_outbox SET (autovacuum_enabled = false)")
        conn.execute(fill, [10, ["succeeded"]])
        conn.execute("ANALYZE raphus.windmill_outbox")
        conn.execute(fill, [3_000, ["waiting", "started"]])
        lines = conn.execute(f"EXPLAIN {statement}".encode(), given).fetchall()
    plan = "\n".join(line for (line,) in lines)
    assert set(re.findall(r"\bwindmill_outbox_\w+idx|\bwindmill_outbox_pkey", plan)) == {
        "windmill_outbox_pkey"
    }
    assert "Seq Scan" not in plan
