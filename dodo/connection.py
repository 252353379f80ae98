"""One GET through Dodo's official SDK: what came, to the byte, with whatever status.

The SDK is asked for its answers raw: its models are built without validation, and its pages turn
an answer that is no page into an empty one. Importing it takes most of a second and 50 MB, so it
is loaded when the first connection is made.
"""

from __future__ import annotations

import ssl
import time
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from dodo.errors import UnreadableAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import httpx

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
TIMEOUT_S: Final = 30.0
"""How long nothing may come."""
ANSWER_S_MAX: Final = 60.0
"""How long an answer may take to come whole, once it has begun."""
CONNECT_TIMEOUT_S: Final = 5.0
ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
"""A page has 100 objects at the most, of some kilobytes each."""

Parameter = str | int | bool


class Answer(NamedTuple):
    """What came back; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class NoAnswerError(Exception):
    """Nothing came back, or not all of it; the message tells why and quotes nothing."""


class Connection:
    """Dodo's API at one address, asked with one key over connections that are kept open.

    It follows no redirect, which could take the key elsewhere, and tries nothing again itself.
    A proxy that the environment names is used, but for this machine itself: TLS goes through it.
    """

    def __init__(self, api_key: str, base_url: str) -> None:
        # They load slowly, and most commands and servers ask Dodo nothing.
        import httpx  # noqa: PLC0415
        from dodopayments import DodoPayments  # noqa: PLC0415

        self._sdk = DodoPayments(
            bearer_token=api_key,
            base_url=base_url,
            max_retries=0,
            # A body that is not compressed cannot grow beyond its limit.
            default_headers={"accept-encoding": "identity"},
            http_client=httpx.Client(
                event_hooks={"response": [_limit]},
                follow_redirects=False,
                timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
                trust_env=not _is_here(base_url),
                verify=_tls(base_url),
            ),
        )

    def close(self) -> None:
        """Close the connections."""
        self._sdk.close()

    def get(self, method: str, parameters: Mapping[str, Parameter]) -> Answer:
        """Call a method of the SDK by its dotted name, such as `subscriptions.list`.

        Raises:
            NoAnswerError: no answer came within the time.
            UnreadableAnswerError: it is larger than any answer of Dodo's.
        """
        from dodopayments import APIConnectionError, APIStatusError  # noqa: PLC0415

        resource, _, called = method.rpartition(".")
        raw = attrgetter(resource)(self._sdk).with_raw_response
        try:
            response: httpx.Response = getattr(raw, called)(**parameters).http_response
        except APIStatusError as error:
            response = error.response
        except APIConnectionError as error:
            if isinstance(error.__cause__, UnreadableAnswerError):
                raise error.__cause__ from None
            raise NoAnswerError(type(error.__cause__ or error).__name__) from None
        return Answer(response.status_code, response.headers, response.content)


def _is_here(url: str) -> bool:
    return urlsplit(url).hostname in LOOPBACK


def _tls(url: str) -> ssl.SSLContext | bool:
    if _is_here(url) and urlsplit(url).scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and so is made at once
    return True


def _limit(response: httpx.Response) -> None:
    """Let no more of an answer be read than one may have, and not for ever."""
    import httpx  # noqa: PLC0415

    encoding = response.headers.get("content-encoding", "identity")
    if encoding != "identity":
        response.close()
        raise UnreadableAnswerError(f"Dodo's answer is compressed ({encoding[:20]!r}) unasked")
    if not isinstance(response.stream, httpx.SyncByteStream):
        raise TypeError("a synchronous client has synchronous answers")
    response.stream = _limited_stream(response.stream)


def _limited_stream(stream: httpx.SyncByteStream) -> httpx.SyncByteStream:
    import httpx  # noqa: PLC0415

    class Limited(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            left, ends_s = ANSWER_BYTES_MAX, time.monotonic() + ANSWER_S_MAX
            for chunk in stream:
                left -= len(chunk)
                if time.monotonic() > ends_s:
                    raise httpx.ReadTimeout("the answer has begun, and does not end")
                if left < 0:
                    raise UnreadableAnswerError(
                        f"Dodo's answer is larger than {ANSWER_BYTES_MAX} bytes, and was not taken"
                    )
                yield chunk

        def close(self) -> None:
            stream.close()

    return Limited()
