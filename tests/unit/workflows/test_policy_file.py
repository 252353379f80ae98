"""The policy file: what it may say, what is told of a wrong one, and that that does no harm."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from domain.access.policy import NO, Policy, Rule
from workflows.policy_file import PolicyError, PolicyFile, read_policy


def policy(text: str) -> Policy:
    return read_policy(Path("raphus.toml"), text.encode())


def write(path: Path, text: str, age_s: int = 100) -> None:
    """Write a file as if it had been written some time ago."""
    path.write_text(text)
    moment_ns = time.time_ns() - age_s * 10**9
    os.utime(path, ns=(moment_ns, moment_ns))


def test_what_a_file_does_not_say_is_as_by_default() -> None:
    assert policy("") == policy("[access]\n") == Policy()
    told = policy('[access]\non_hold = "3 days"\ncancelled = "no"\ndisputes = ["lost", "opened"]\n')
    grace = Rule(gives=True, days=3)
    assert told == Policy(on_hold=grace, cancelled=NO, disputes=("lost", "opened"))
    assert policy('access.bought_once = "no"') == Policy(bought_once=NO)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '[access]\non_hold = "no"\nonhold = "3 days"\n',
            ":3: unknown key 'onhold'; expected are ",
        ),
        ('[access]\n\non_hold = "maybe"\n', ':3: on_hold must be "yes", "no", a grace such as '),
        ("[access]\nactive = true\n", ':2: active must be "yes", "no"'),
        ('[access]\npast_due = "until tomorrow"\n', '"until past_due_ends_at"'),
        ('[access]\nbought_once = "3 days"\n', ':2: bought_once must be "yes" or "no"'),
        ("[access]\nbought_once = []\n", ':2: bought_once must be "yes" or "no"'),
        ('[access]\ndisputes = ["gone"]\n', ":2: disputes must list statuses of disputes, of "),
        ("[access]\ndisputes = [[]]\n", ":2: disputes must list statuses of disputes, of "),
        ("[acess]\n", ":1: unknown key 'acess'; expected is [access] or [rates]"),
        ("access = 1\n", ":1: access must be a table: [access]"),
        ("[access\n", ":1: not TOML: "),
        ("\n\n[access]\non_hold =\n", ":4: not TOML: "),
    ],
)
def test_a_wrong_file_is_told_with_its_line_and_what_is_expected(text: str, problem: str) -> None:
    with pytest.raises(PolicyError) as error:
        policy(text)
    assert str(error.value).startswith("raphus.toml:")
    assert problem in str(error.value)


def test_what_is_no_text_is_told_wrong() -> None:
    with pytest.raises(PolicyError, match=r"^raphus\.toml:2: not text in UTF-8"):
        read_policy(Path("raphus.toml"), b"[access]\n\xff")


def test_a_wrong_file_leaves_the_last_good_policy_and_is_told_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "raphus.toml"
    write(path, '[access]\non_hold = "3 days"\n')
    file = PolicyFile(path, retry_s=0)
    good = file.current()
    assert good.on_hold == Rule(gives=True, days=3)
    write(path, '[access]\nonhold = "3 days"\n', age_s=90)
    assert [file.current() for _ in range(3)] == [good] * 3
    (told,) = caplog.messages
    assert told.startswith("the policy of access cannot be read anew: raphus.toml:2: unknown key")
    write(path, "", age_s=80)
    assert file.current() == Policy()
    assert file.problem is None, "it is right again"
    assert caplog.messages[-1] == "the policy of access cannot be read anew: that is over"


def test_without_a_file_the_default_counts_unless_one_was_named(tmp_path: Path) -> None:
    path = tmp_path / "raphus.toml"
    file, named = PolicyFile(path), PolicyFile(path, required=True)
    assert file.current() == named.current() == Policy()
    assert file.problem is None
    assert named.problem == "raphus.toml: there is no such file"
