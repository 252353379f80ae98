"""A home with a database, made once, for tests that are not about how one is made."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from migrations.runner import migrate
from postgres.embedded import EmbeddedPostgres
from postgres.embedded.locks import exclusive
from postgres.embedded.patience import Patience
from tests.support.embedded_users import home_of
from tests.support.waiting import GUARD_S

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def migrated_home(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Make a home with every migration applied, for all workers: it is copied and never used."""
    base = tmp_path_factory.getbasetemp()
    folder = base if worker_id == "master" else base.parent
    made = folder / "migrated-home"
    with exclusive(folder / "migrated-home.lock", Patience("another worker", GUARD_S)):
        if not made.exists():
            with home_of(None) as home:
                with EmbeddedPostgres(home, durable=False) as server:
                    migrate(server.url)
                unfinished = folder / "unfinished-home"
                shutil.rmtree(unfinished, ignore_errors=True)
                subprocess.run(["cp", "-a", home, unfinished], check=True)
            unfinished.rename(made)
    return made
