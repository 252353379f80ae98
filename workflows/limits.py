"""How much is sent to targets at a time, and how long something is tried."""

from __future__ import annotations

from typing import Final, NamedTuple

ASKING_MAX: Final = 4
"""So many questions for outcomes at once, beside what is sent."""


class Limits(NamedTuple):
    """What bounds the sender. Jobs wait in the outbox for as long as they are not in memory."""

    concurrency: int = 10
    """Requests at once: to Windmill, and to each endpoint."""
    held_max: int = 400
    """Jobs of a route in memory."""
    lane_max: int = 40
    """Of them, jobs of one aggregate: so one that is stuck leaves room for others."""
    prepared_max: int = 20
    """Of them, jobs with their arguments."""
    tries_max: int = 20
    """A job that fails so often, while its target is not away, is parked."""
    pause_min_s: float = 1.0
    """The pause between two tries of a job doubles from here ..."""
    pause_max_s: float = 300.0
    """... up to here: with the tries, some three quarters of an hour."""
    webhook_pauses_s: tuple[float, ...] = (5, 30, 120, 300, 600, 900, 1_800)
    """The pauses after each failure of a webhook that an endpoint does not take; after the last it
    is parked. They are as many as Dodo's, and as steep at first, but end within about an hour: its
    object waits meanwhile, and takes its room in memory."""
    alike_max: int = 3
    """So many jobs of a route, one after the other, that are refused in the same words, and it is
    not about the jobs."""
    gone_for_s: float = 60.0
    """For so long after an endpoint said that it is gone, nothing is sent to it."""
    give_up_after_s: float = 7 * 86_400.0
    """A job that has waited for so long is parked untried: nobody expects it to be started any
    more. So long Windmill is taken to keep completed jobs, where nothing tells."""
    sure_for_s: float = 3_600.0
    """For so long Windmill is taken to know a job that it may have been given; later it is asked
    for another one, that is known to be older."""
    opens_after: int = 5
    """So many failures in a row, none of them about a job, and the target counts as away."""
    probe_max_s: float = 60.0
    """While it is away, the pause between two probes doubles from `pause_min_s` up to here."""
    shown_within_s: float = 5.0
    """So long a job waits, once it is due, for the read models to show what it tells the access of;
    then it is sent without."""
    access_for_s: float = 5.0
    """What has waited for longer to be sent, as while its target is away, tells the access anew."""
    timeout_s: float = 15.0
    """For a whole request and its answer."""
    ask_for_s: float = 86_400.0
    """A job whose outcome is not told for so long has an unknown one: Windmill keeps it for a
    while only, and a job may run for hours."""


LIMITS: Final = Limits()
"""Those of every run but for a test's."""
