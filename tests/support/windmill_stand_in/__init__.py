"""Stand-ins for targets over real HTTP, failing as told: a merchant's endpoint, and Windmill.

Of Windmill there are the few calls that are used. What is answered was read in Windmill's own
source (windmill-labs/windmill, backend):
- A job_id that is known in any workspace is refused with 400. Of two requests under way with one
  id, the database refuses the second: 400 too, in other words. Other mistakes are 400 as well.
- Limits, the licence and the token's scopes are looked at before the job is.
- To ask for a job that is hidden from the asker is 403, but only where the job is (`reads`).
- To ask for a job without a valid token is not 401: it is 400 where the job is, 404 where it is
  not. The outcome of a job that does not exist is "not completed", for ever.
- A flow that is skipped has succeeded by what shows it, and not by what tells its result.
- Completed jobs are deleted some day (`forget`); then their ids are unknown again.
- A body that is JSON but no object becomes the argument `body`.
- Of arguments, those that refer to variables and resources are replaced before the job runs
  (`worker`).
"""

from __future__ import annotations

from tests.support.windmill_stand_in.model import (
    SECRET,
    TOKEN,
    WORKSPACE,
    Behaviour,
    Fault,
    Job,
    Request,
)
from tests.support.windmill_stand_in.standing_in import (
    EndpointProcess,
    EndpointStandIn,
    StandIn,
    StandInProcess,
)
from tests.support.windmill_stand_in.worker import ArgumentsError, Worker

__all__ = [
    "SECRET",
    "TOKEN",
    "WORKSPACE",
    "ArgumentsError",
    "Behaviour",
    "EndpointProcess",
    "EndpointStandIn",
    "Fault",
    "Job",
    "Request",
    "StandIn",
    "StandInProcess",
    "Worker",
]
