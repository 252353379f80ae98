"""Stands in as a program: tells its addresses on standard output, ends with its standard input."""

from __future__ import annotations

import asyncio
import json
import sys

import uvloop

from tests.support.windmill_stand_in.standing_in import stand_in

if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        lifeline = sys.stdin.fileno()
        runner.run(stand_in(lambda urls: print(json.dumps(urls), flush=True), lifeline))
