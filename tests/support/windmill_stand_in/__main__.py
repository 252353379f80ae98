"""Stands in as a program: tells its addresses on standard output, ends with its standard input."""

from __future__ import annotations

import asyncio
import json
import sys

import uvloop

from tests.support.windmill_stand_in.endpoint import Endpoint
from tests.support.windmill_stand_in.standing_in import stand_in
from tests.support.windmill_stand_in.windmill import Windmill

if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        lifeline = sys.stdin.fileno()
        stage = {one.__name__: one for one in (Windmill, Endpoint)}[sys.argv[1]]()
        runner.run(stand_in(stage, lambda urls: print(json.dumps(urls), flush=True), lifeline))
