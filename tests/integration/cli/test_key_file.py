"""The key that a server makes for itself: one for all, whole or not at all, for its user alone."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from cli.key_file import kept_in, kept_key
from cli.settings import API_KEY_CHARS_MIN, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

SERVERS = 8


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_is_made_once_and_only_its_user_can_read_it(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    key = kept_key(home)
    assert len(key) > 2 * API_KEY_CHARS_MIN
    assert kept_key(home) == key == kept_in(home).read_text("utf-8").strip()
    assert (mode(home), mode(kept_in(home))) == (0o700, 0o600)
    assert list(home.iterdir()) == [kept_in(home)]
    assert kept_key(tmp_path / "other") != key


def test_servers_that_start_at_the_same_time_agree_on_one_key(tmp_path: Path) -> None:
    for attempt in range(20):
        home, together = tmp_path / str(attempt), Barrier(SERVERS)

        def start(home: Path = home, together: Barrier = together) -> str:
            together.wait()
            return kept_key(home)

        with ThreadPoolExecutor(SERVERS) as pool:
            keys = {work.result() for work in [pool.submit(start) for _ in range(SERVERS)]}
        assert keys == {kept_in(home).read_text("utf-8").strip()}
        assert list(home.iterdir()) == [kept_in(home)]


def test_one_that_dies_before_its_key_is_whole_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as during:
        during.setattr(os, "fsync", full)
        with pytest.raises(SettingsError, match="No space left"):
            kept_key(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert kept_key(tmp_path)


def test_a_key_of_ones_own_is_taken_from_the_file(tmp_path: Path) -> None:
    kept_in(tmp_path).write_text("  a-key-of-the-merchants-own\n", "utf-8")
    kept_in(tmp_path).chmod(0o600)
    assert kept_key(tmp_path) == "a-key-of-the-merchants-own"


def test_a_file_that_others_could_read_is_closed_to_them_and_that_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = kept_key(tmp_path)
    kept_in(tmp_path).chmod(0o644)
    assert kept_key(tmp_path) == key
    assert mode(kept_in(tmp_path)) == 0o600
    assert "others could read" in caplog.text
    assert key not in caplog.text


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 40, b"two words of enough length"])
def test_what_is_not_a_key_is_refused_unquoted(content: bytes, tmp_path: Path) -> None:
    kept_in(tmp_path).write_bytes(content)
    with pytest.raises(SettingsError, match="is not an API key: delete it") as refused:
        kept_key(tmp_path)
    assert "words" not in str(refused.value)


def test_where_no_key_can_be_kept_it_is_told_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="Set RAPHUS_API_KEY to a random text, or RAPHUS_HOME"):
        kept_key(tmp_path / "file")
