"""Forwards as nginx does with `proxy_pass` and nothing else said."""

from __future__ import annotations

from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from tests.support.waiting import GUARD_S

if TYPE_CHECKING:
    from collections.abc import Iterator

_OF_THE_CONNECTION: Final = frozenset({"connection", "host", "keep-alive"})


@contextmanager
def plain_proxy(upstream: str) -> Iterator[str]:
    """Give the URL of a proxy before the server at `upstream`.

    What nginx does by default: the Host is the upstream's, the connection is closed after each
    answer, and no header tells for whom it asks
    (https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_set_header).
    """
    to = urlsplit(upstream).netloc

    class Forward(BaseHTTPRequestHandler):
        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            kept = {k: v for k, v in self.headers.items() if k.lower() not in _OF_THE_CONNECTION}
            conn = HTTPConnection(to, timeout=GUARD_S)
            try:
                headers = {**kept, "host": to, "connection": "close"}
                conn.request(self.command, self.path, body or None, headers)
                answer = conn.getresponse()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.read())
            finally:
                conn.close()

        do_GET = do_POST = do_DELETE = _forward  # noqa: N815 -- the names in http.server

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name there
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Forward) as proxy:
        thread = Thread(target=proxy.serve_forever, name="proxy")
        thread.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_port}"
        finally:
            proxy.shutdown()
            thread.join()
