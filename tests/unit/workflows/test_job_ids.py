"""The ids of jobs: Windmill takes each once, so they must be what they have always been."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workflows.outbox.table import job_id_of

PARTS = st.tuples(st.text(), st.text(), st.text(), st.integers(0, 3))


def test_an_id_never_changes() -> None:
    ours = "all", "subscription/bus_1/sub_1", "msg_1"
    assert str(job_id_of(*ours, replay=0)) == "8663e466-49c6-584a-9fa5-857792e49037"
    assert str(job_id_of(*ours, replay=1)) == "69825638-2737-5405-a120-88b4f88ab5bd"


@given(PARTS, PARTS)
def test_different_jobs_have_different_ids(
    one: tuple[str, str, str, int], other: tuple[str, str, str, int]
) -> None:
    assert (job_id_of(*one) == job_id_of(*other)) == (one == other)
