"""Concealment: what a process knows stays its own, whoever else its user lets run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

import pytest

from tests.support import concealed
from tests.support.prepared import Command, Started
from tests.support.program import environment, installed
from tests.support.samples import PROJECT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")

SECRET: Final = "a-secret-that-shows-nowhere"
LOOK: Final = """
    import os

    def look(pid, what):
        try:
            with open(f"/proc/{pid}/{what}", "rb") as file:
                if what == "mem":
                    with open(f"/proc/{pid}/maps") as maps:
                        file.seek(int(maps.readline().partition("-")[0], 16))
                return file.read(100_000).decode("latin-1")
        except OSError as error:
            return type(error).__name__

    def above(pid):
        while pid > 1:
            yield pid
            with open(f"/proc/{pid}/status") as status:
                pid = int(next(line for line in status if line.startswith("PPid:")).split()[1])
    """
"""Looks into a process as any program may, and finds those that a process was started by."""
NOBODY: Final = """
    import ctypes, json, pwd, sys
    from telemetry.concealment import conceal
    if os.geteuid() == 0:  # after the imports: others may not be allowed to read them
        nobody = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as it is when nobody has changed users

    def seen_by_a_child():
        read, write = os.pipe()
        if os.fork() == 0:
            ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as it is for another program
            seen = {what: look(os.getppid(), what) for what in ("environ", "mem", "fd/0")}
            os.write(write, json.dumps({what: seen[what][:50] for what in seen}).encode())
            os._exit(0)
        os.wait()
        return json.loads(os.read(read, 100_000))

    before = seen_by_a_child()
    conceal()
    print(json.dumps([before, seen_by_a_child()]))
    """
OWN: Final = """
    def own(event):
        return {
            "parents": [
                {what: look(pid, what) for what in ("environ", "mem")}
                for pid in above(os.getppid())
            ],
            "mine": sorted(os.environ),
            "files": open(__file__).read(3),
        }
    """
ROUTES: Final = """
[[route]]
name = "own"
on = ["*"]
script = "f/a/b"
transformation = "python:own.py:own"
"""


def run(source: str, **settings: str) -> Any:  # noqa: ANN401 -- JSON
    """Run a program; return the JSON that it prints."""
    path = os.pathsep.join(sys.path)
    ended = subprocess.run(
        [sys.executable, "-c", dedent(LOOK) + dedent(source)],
        env={"PATH": os.defpath, "PYTHONPATH": path, **settings},
        capture_output=True,
        check=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    return json.loads(ended.stdout)


def test_what_its_user_starts_sees_nothing_of_a_concealed_process() -> None:
    before, after = run(NOBODY, A=SECRET)
    assert before["environ"].startswith(f"PATH={os.defpath}")
    assert after == dict.fromkeys(before, "PermissionError")


@pytest.mark.parametrize(
    "program",
    [
        "cli",
        "cli.serving.follower",
        "cli.serving.http_worker",
        "cli.serving.reconciler",
        "workflows.worker_process",
        "workflows.transforms.sandbox_worker",
        "projections.rebuild.workers",
    ],
)
def test_every_program_that_knows_secrets_is_concealed(program: str) -> None:
    nothing = [os.open(os.devnull, os.O_RDWR) for _ in range(3)]
    begun = Command([program], dict(os.environ), str(PROJECT), module=concealed.__name__)
    assert Started(begun, nothing).wait() == concealed.YES


def secrets() -> dict[str, str]:
    names = "RAPHUS_API_KEY WINDMILL_TOKEN DODO_PAYMENTS_WEBHOOK_KEY PGPASSWORD".split()
    return dict.fromkeys(names, SECRET) | {"DODO_PAYMENTS_WEBHOOK_KEY": f"whsec_{SECRET}"}


def test_a_merchants_code_sees_no_secrets_of_what_has_started_it(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(dedent(LOOK) + dedent(OWN))
    routes = tmp_path / "windmill.toml"
    routes.write_text(ROUTES)
    given = {**secrets(), "DODO_PAYMENTS_WEBHOOK_KEY": "", "WINDMILL_ROUTES": str(routes)}
    asked = ("routes", "test", "own", "--event", "payout.success", "--dry-run")
    tried = installed(*asked, env=environment(tmp_path, **given))
    assert tried.returncode == 0, tried.stderr
    seen = json.loads(tried.stdout)
    assert SECRET not in tried.stdout
    assert seen["parents"][0] == {"environ": "PermissionError", "mem": "PermissionError"}
    assert "PATH" in seen["mine"]
    assert seen["files"] == "\nim"
