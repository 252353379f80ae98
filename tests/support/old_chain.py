"""A log as releases chained it whose hashes covered each state itself, not its hash."""

from __future__ import annotations

import hashlib
import shutil
import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from domain.aggregates.routing import route
from ledger.backup import dump as backup
from ledger.integrity.hash_chain import GENESIS
from ledger.mapper import encode
from migrations.runner import FOLDER, migrate
from telemetry.progress import silent
from tests.support.connected import connected

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from domain.delivery import Delivery

_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_BEGAN: Final = datetime(2026, 5, 1, 12, 0, 0, 123_457, tzinfo=UTC)
_INSERT: Final = "INSERT INTO raphus.ledger_events VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"


def migrated(conninfo: str, folder: Path) -> list[str]:
    """Make the tables as they were before the chain changed; return what is left to be applied."""
    files = sorted(FOLDER.glob("*.sql"))
    (change,) = (n for n, file in enumerate(files) if file.stem.endswith("_content_hashes"))
    for file in files[:change]:
        shutil.copy(file, folder)
    migrate(conninfo, folder)
    return [file.stem for file in files[change:]]


def record(conninfo: str, deliveries: Sequence[Delivery], *, followed: bool = True) -> bytes:
    """Record deliveries as it was done then; where it is followed, up to the last but one.

    Returns the hash of the log's end.
    """
    versions: dict[str, int] = {}
    previous = [GENESIS]
    with connected(conninfo) as conn:
        for position, one in enumerate(deliveries, start=1):
            to, state = route(one), encode(one)
            version = versions[to.stream_id] = versions.get(to.stream_id, 0) + 1
            recorded_at = _BEGAN + timedelta(microseconds=position * 7)
            texts = [text.encode() for text in (to.stream_id, to.topic, one.webhook_id)]
            recorded_us = (recorded_at - _EPOCH) // timedelta(microseconds=1)
            numbers = position, recorded_us, version
            header = struct.pack(">qqqHHHI", *numbers, *map(len, texts), len(state))
            previous.append(
                hashlib.sha256(b"".join((previous[-1], header, *texts, state))).digest()
            )
            row = to.stream_id, version, to.topic, state, position, one.webhook_id, recorded_at
            conn.execute(_INSERT, [*row, previous[-1]])
        if followed:
            conn.execute(
                "UPDATE raphus.projections_tracking"
                " SET notification_id = %s, events = %s, hash = %s"
                " WHERE application_name = 'ledger'",
                [len(deliveries) - 1, len(deliveries) - 1, previous[-2]],
            )
    return previous[-1]


def dump(conninfo: str, path: Path) -> None:
    """Back a database up as it is, without migrating it."""
    with path.open("wb") as file:
        backup.dump(conninfo, file, silent)
