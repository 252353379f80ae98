"""Python transformations: the merchant's own functions, and that nothing they do hurts others."""

from __future__ import annotations

import json
import os

import pytest

from tests.support.shop import OPENED, Shop


def test_a_function_gets_the_state_and_the_whole_body(lasting_shop: Shop) -> None:
    made = lasting_shop.arguments(
        lasting_shop.route("python", "def shape(fact): return {'fact': fact}")
    )["fact"]
    (state,) = lasting_shop.outcomes((lasting_shop.built_in("state"), OPENED))
    assert isinstance(state, bytes)
    assert made == {"type": "dispute.opened", "payload": OPENED.payload, **json.loads(state)}


def test_a_function_may_use_what_stands_beside_its_file(shop: Shop) -> None:
    (shop.folder / "words_of_the_shop.py").write_text("HELLO = 'hello'\n")
    source = """
        from dataclasses import asdict, dataclass
        from datetime import datetime, timezone
        from decimal import Decimal
        from words_of_the_shop import HELLO

        @dataclass
        class Message:
            text: str

        def shape(fact):
            at = datetime(2026, 5, 1, tzinfo=timezone.utc)
            return {**asdict(Message(HELLO)), "at": at, "amount": Decimal("5.20"), "file": __file__}
        """
    assert shop.arguments(shop.route("python", source)) == {
        "text": "hello",
        "at": "2026-05-01T00:00:00Z",
        "amount": "5.20",
        "file": str(shop.folder / "ours.py"),
    }


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def shape(fact):\n    return fact['nowhere']", "ours.py:2: KeyError: 'nowhere'"),
        ("import nowhere_at_all", "ours.py:1: ModuleNotFoundError: No module named"),
        ("\ndef shape(fact)\n    pass", "ours.py:2: SyntaxError: expected ':'"),
        ("def shape(fact):\n    raise ValueError('x' * 500)", f"2: ValueError: {'x' * 200}"),
        ("def shape(fact):\n    assert False", "ours.py:2: AssertionError"),
        ("import sys\ndef shape(fact): sys.exit(3)", "ours.py:2: SystemExit: 3"),
        ("def shape(fact): raise KeyboardInterrupt", "ours.py:1: KeyboardInterrupt"),
        ("def shape(fact): return shape(fact)", "ours.py:1: RecursionError"),
        ("def other(fact): pass", "ours.py: it has no function shape"),
        ("shape = 5", "ours.py: it has no function shape"),
        ("def shape(fact): return [1]", "ours.py: shape returned list; it must return a dict"),
        ("async def shape(fact): return {}", "ours.py: shape returned coroutine; it must"),
        ("def shape(fact): return {'x': object()}", "ours.py: what shape returned is not JSON"),
        ("def shape(fact): return {'x': '\\ud800'}", "ours.py: what shape returned is not JSON"),
        ("def shape(fact): return {'x': 2**70_000}", "ours.py: what shape returned is not JSON"),
        ("def shape(fact): input()", "ours.py:1: EOFError"),
        ("def shape(fact): return 'x' * 2**40", "ours.py: it took more memory than it may"),
        ("import os\ndef shape(fact): os._exit(3)", "ended with exit code 3"),
        ("import os\ndef shape(fact): os.abort()", "ended with SIGABRT"),
        ("import os\ndef shape(fact): os.kill(os.getpid(), 40)", "ended with exit code -40"),
        ("import os\ndef shape(fact): os.closerange(0, 99)", "the process that it ran in ended"),
        ("import os\ndef shape(fact): os.write(4, b'x\\n')", "it disturbs what its process says"),
        ("import os\ndef shape(fact): os.write(4, b'x' * 2**23)", "it disturbs what its process"),
    ],
    ids=str,
)
def test_a_function_that_fails_is_told_with_its_line(
    lasting_shop: Shop, source: str, expected: str
) -> None:
    message = lasting_shop.problem("python", source)
    assert message.startswith("ours.py")
    assert expected in message
    assert len(message) < 260


@pytest.mark.parametrize(
    "source",
    [
        "def shape(fact):\n    while True: pass",
        "import time\ndef shape(fact): time.sleep(1000)",
        "from signal import *\npthread_sigmask(SIG_BLOCK, range(1, 32))\ndef shape(fact): pause()",
    ],
)
def test_a_function_that_does_not_end_is_ended(shop: Shop, source: str) -> None:
    message = shop.problem("python", source, deadline_s=0.3)
    assert message == "ours.py: it took more than 0.3 s"


def test_what_a_function_prints_disturbs_nobody(
    shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    source = """
        import os, subprocess, sys
        print("imported")
        def shape(fact):
            print("x" * 100_000)
            print("to the error output", file=sys.stderr)
            os.write(1, b"to the descriptor")
            subprocess.run(["echo", "from a child"], check=True)
            return {"read": sys.stdin.read()}
        """
    assert shop.arguments(shop.route("python", source)) == {"read": ""}
    assert capfd.readouterr() == ("", "")


def test_a_function_sees_no_secrets(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DODO_PAYMENTS_WEBHOOK_KEY", "WINDMILL_TOKEN", "DATABASE_URL", "PGPASSWORD"):
        monkeypatch.setenv(name, "s3cret")
    source = "import os\ndef shape(fact): return dict(os.environ)"
    seen = shop.arguments(shop.route("python", source))
    assert "s3cret" not in str(seen)
    assert seen["PATH"] == os.environ["PATH"]
