"""What the log lines say of errors, and how many of them there are."""

from __future__ import annotations

import logging

import psycopg
import pytest

from telemetry.logs import INTERVAL_S, PlainFormatter, Throttle


def line(error: BaseException) -> str:
    """Format a record about an error that was raised here."""
    try:
        raise error
    except BaseException as raised:  # noqa: BLE001 -- any
        info = type(raised), raised, raised.__traceback__
    record = logging.LogRecord("x", logging.ERROR, "", 1, "it failed\nbadly", (), info)
    return PlainFormatter("%(asctime)s %(levelname)s %(message)s").format(record)


def test_an_error_is_told_by_its_kind_and_place_and_not_by_its_text() -> None:
    written = line(ValueError('{"email": "someone@example.com"}'))
    assert "ValueError at " in written
    assert "test_logs.py:" in written
    assert "example.com" not in written


def test_the_cause_of_an_error_is_told_in_the_same_way() -> None:
    error = RuntimeError("secret one")
    error.__cause__ = KeyError("secret two")
    written = line(error)
    assert "RuntimeError at " in written
    assert "because of KeyError" in written
    assert "secret" not in written


def test_an_error_of_the_database_is_told_with_its_code() -> None:
    assert "UniqueViolation (23505) at " in line(psycopg.errors.UniqueViolation("Key (a)=(b)"))


def test_a_record_is_one_line_in_utc() -> None:
    written = line(ValueError())
    assert "\n" not in written
    assert written.partition(" ")[0].endswith("Z")


def test_the_same_line_is_written_once_and_then_counted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    throttle = Throttle(logging.getLogger("throttled"))
    for _ in range(1_000):
        throttle.warning("refused")
    throttle.warning("another")
    now_s += INTERVAL_S
    throttle.warning("refused")
    assert caplog.messages == ["refused", "another", "refused (and 999 times before)"]
