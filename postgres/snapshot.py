"""What is read in one transaction, as all of it stood at one moment."""

from __future__ import annotations

from typing import Final

REPEATABLE_READ: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
"""First in a transaction: all that it reads is as it was at its next statement."""
READ_ONLY_SNAPSHOT: Final = f"{REPEATABLE_READ}, READ ONLY"
"""The same, for one that writes nothing."""
BY_INDEX: Final = """
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_bitmapscan = off;
    SET LOCAL max_parallel_workers_per_gather = 0
"""
"""Reads in the order of an index until the transaction ends: a sort of the log would take its size
in disk."""
