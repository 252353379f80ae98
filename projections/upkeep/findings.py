"""What a verification or a rebuild has found, as it is kept and told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from ledger.integrity.diagnosis import Fault
    from ledger.integrity.signatures import Signatures
    from ledger.integrity.verify import Verified
    from projections.rebuild.rebuild import Rebuilt
    from projections.rebuild.table_diff import Found

Outcome: TypeAlias = Literal["well", "wrong", "mended", "failed", "cancelled"]
PROBLEM_CHARS_MAX: Final = 500


class Wrong(msgspec.Struct, frozen=True):
    """The first thing that is wrong with the log: the position where it shows, and what it is."""

    position: str
    problem: str


class CheckedSignatures(msgspec.Struct, frozen=True):
    """How many stored signatures verify with the secrets in hand; not those of `erased` bodies.

    What is unverified is no fault of the log: the secret that it was signed with may be gone. The
    first 20 are named.
    """

    verified: int
    unverified: int
    erased: int
    first_unverified: list[Wrong] = []


class FoundInLog(msgspec.Struct, frozen=True):
    """What a verification has found.

    `head` (position and hash) and `events` are of the part of the log that is proved: all of it
    where there is no `fault`. `missing` tells of a head, given to compare with, that the log does
    not contain. `signatures` are null where they were not checked.
    """

    head: str
    events: int
    fault: Wrong | None
    missing: Wrong | None
    signatures: CheckedSignatures | None
    clock_corrections: int
    erasures: int


class DifferingRows(msgspec.Struct, frozen=True):
    """How many rows of a table differ in one way; `examples` are the keys of a few."""

    rows: int
    examples: list[str]


class ComparedTable(msgspec.Struct, frozen=True):
    """How the live rows of a table differ from those that follow from the log: `rows` of them.

    `added` is what the live table lacked, `removed` what only it had.
    """

    table: str
    rows: int
    equal: bool
    added: DifferingRows
    removed: DifferingRows
    changed: DifferingRows


class FoundInTables(msgspec.Struct, frozen=True):
    """What a rebuild, or its check, has found at a position of the log."""

    position: str
    tables: list[ComparedTable]


class Ended(msgspec.Struct, frozen=True):
    """How a job has ended: `problem` tells why it did not come to its end."""

    outcome: Outcome
    problem: str | None = None
    found: FoundInLog | FoundInTables | None = None


def of_log(verified: Verified) -> Ended:
    """Return what a verification has found, and whether that is well."""
    signatures = verified.signatures
    found = FoundInLog(
        head=str(verified.head),
        events=verified.events,
        fault=_wrong(verified.fault),
        missing=_wrong(verified.missing),
        signatures=signatures and _checked(signatures),
        clock_corrections=len(verified.corrections),
        erasures=len(verified.erasures),
    )
    return Ended("wrong" if found.fault or found.missing else "well", found=found)


def _checked(signatures: Signatures) -> CheckedSignatures:
    verified, unverified, erased, first = signatures
    named = [Wrong(str(one.position), one.reason) for one in first]
    return CheckedSignatures(verified, unverified, erased, named)


def of_tables(rebuilt: Rebuilt, *, check: bool) -> Ended:
    """Return what a rebuild, or a check, has found, and whether that is well."""
    tables = [
        ComparedTable(
            table=one.table,
            rows=one.rows,
            equal=one.none,
            added=_differing(one.added),
            removed=_differing(one.removed),
            changed=_differing(one.changed),
        )
        for one in rebuilt.differences
    ]
    found = FoundInTables(str(rebuilt.position), tables)
    if rebuilt.equal:
        return Ended("well", found=found)
    return Ended("wrong" if check else "mended", found=found)


def _wrong(fault: Fault | None) -> Wrong | None:
    return fault and Wrong(str(fault.position), fault.problem[:PROBLEM_CHARS_MAX])


def _differing(found: Found) -> DifferingRows:
    return DifferingRows(found.rows, found.examples)
