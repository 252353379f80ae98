"""The player against a real HTTP server that is at times busy, broken, or gone."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from standardwebhooks import Webhook

from simulator import Patience, Player, Tally, as_dodo_delivers, merchant

SECRET = "whsec_c2ltdWxhdGVkLW1lcmNoYW50"
HISTORY = merchant(1, customers=4, until=datetime(2026, 11, 1, tzinfo=UTC))
POSTINGS = as_dodo_delivers(HISTORY, 1, repeated=0.5)
QUICKLY = Patience(attempts_max=4, backoff_s=0.001, failed_max=1)

Answers = Callable[[str], tuple[int, bytes]]
"""What a server answers to a webhook-id whose signature is good: a status and a body."""


@contextmanager
def server(answer: Answers) -> Iterator[str]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            Webhook(SECRET).verify(body, dict(self.headers), json_parse=False)
            with lock:
                status, content = answer(self.headers["webhook-id"])
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{httpd.server_port}/webhooks/dodo"
        finally:
            httpd.shutdown()
            thread.join()


def play(url: str, progress: list[tuple[int, int]] | None = None) -> Tally:
    heard = progress if progress is not None else []
    player = Player(url, SECRET, concurrency=4, patience=QUICKLY)
    return asyncio.run(player.play(POSTINGS, lambda done, total: heard.append((done, total))))


def test_a_busy_server_gets_everything_in_the_end_and_the_tally_is_right() -> None:
    asked: Counter[str] = Counter()
    kept: Counter[str] = Counter()

    def busy_at_first(webhook_id: str) -> tuple[int, bytes]:
        asked[webhook_id] += 1
        if asked[webhook_id] <= 2:
            return 503, b""
        kept[webhook_id] += 1
        return 200, json.dumps({"position": "1", "duplicate": kept[webhook_id] > 1}).encode()

    progress: list[tuple[int, int]] = []
    with server(busy_at_first) as url:
        tally = play(url, progress=progress)
    assert kept == Counter(posting.webhook_id for posting in POSTINGS)
    assert (tally.recorded, tally.duplicates) == (len(HISTORY), len(POSTINGS) - len(HISTORY))
    assert (tally.refused, tally.failed, tally.retries) == (0, 0, 2 * len(HISTORY))
    assert progress == [(done, len(POSTINGS)) for done in range(1, len(POSTINGS) + 1)]


def test_a_refusal_is_final_and_counted_by_its_status() -> None:
    asked: Counter[str] = Counter()

    def refuses(webhook_id: str) -> tuple[int, bytes]:
        asked[webhook_id] += 1
        return 401, b'{"error": {"code": "unverified"}}'

    with server(refuses) as url:
        tally = play(url)
    assert asked == Counter(posting.webhook_id for posting in POSTINGS)
    assert (tally.refused, tally.refused_by_status) == (len(POSTINGS), {401: len(POSTINGS)})


@pytest.mark.parametrize("content", [b"", b"ok", b"{}", b'{"duplicate": "perhaps"}', b"\xff"])
def test_an_acknowledgement_that_says_nothing_counts_as_recorded(content: bytes) -> None:
    with server(lambda _: (204 if not content else 200, content)) as url:
        assert play(url).recorded == len(POSTINGS)


def test_the_player_gives_up_where_nobody_answers() -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        tally = play(f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert 1 <= tally.failed == tally.sent <= 4
    assert tally.retries == 3 * tally.failed
