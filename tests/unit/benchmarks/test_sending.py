"""What wrk says is believed where all was answered, and by success."""

from __future__ import annotations

from typing import Final

import pytest

from tests.benchmarks.sending import answered_per_s

# What wrk 4.1.0 wrote of 4,000 requests over 64 connections.
SAID: Final = """\
Running 1m test @ http://127.0.0.1:45141
  1 threads and 64 connections
all answered
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    16.38ms   13.88ms 148.52ms   86.62%
    Req/Sec     4.34k     2.85k    9.30k    77.78%
  4000 requests in 943.29ms, 683.59KB read
Requests/sec:   4240.47
Transfer/sec:    724.69KB
answered 4000 in 943292 us, 0 failed
"""


def test_the_rate_is_what_wrk_says_it_is() -> None:
    assert answered_per_s(SAID, 4_000) == pytest.approx(4240.47, abs=0.01)


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        pytest.param(SAID, 4_001, id="not-all-answered"),
        pytest.param(SAID.replace("0 failed", "1 failed"), 4_000, id="one-failed"),
        pytest.param("unable to connect to 127.0.0.1:1 Connection refused\n", 4_000, id="refused"),
    ],
)
def test_a_rate_of_anything_but_successes_is_none(said: str, sent: int) -> None:
    with pytest.raises(RuntimeError, match="successes"):
        answered_per_s(said, sent)
