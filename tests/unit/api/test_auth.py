"""Who may read: who shows the key, and in the demo whatever runs on this machine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from api.http.auth import KeyGuard, OpenOnLoopback, is_loopback
from api.http.errors import ApiError
from api.http.scopes import OWNER, Caller

if TYPE_CHECKING:
    from api.http.auth import Guard

KEY = "a-key-of-thirty-two-characters-0"


def scope(*headers: tuple[str, str], peer: str | None = "127.0.0.1") -> dict[str, object]:
    """Make the part of a request's scope that a guard reads."""
    return {
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        "client": (peer, 50_000) if peer else None,
    }


class Made:
    """The keys that were made: one, which may ask about access."""

    async def find(self, key: bytes) -> Caller | None:
        return GUEST if key == b"a-key-that-was-made" else None


GUEST = Caller.with_scopes(["access"], "bus_1")


def check(guard: Guard, request: dict[str, object]) -> Caller:
    """Check a request that must pass, and return who asks."""
    return asyncio.run(guard.check(request, Made()))


def refused(guard: Guard, *headers: tuple[str, str], peer: str | None = "127.0.0.1") -> int:
    """Check a request that must be refused, and return the status."""
    with pytest.raises(ApiError) as error:
        check(guard, scope(*headers, peer=peer))
    return error.value.status


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_who_shows_the_key_may_read_from_anywhere(scheme: str) -> None:
    headers = ("authorization", f"{scheme} {KEY}"), ("x-forwarded-for", "192.0.2.1")
    assert check(KeyGuard(KEY), scope(*headers, peer="192.0.2.7")) is OWNER


def test_a_key_that_was_made_tells_who_asks() -> None:
    made = ("authorization", "Bearer a-key-that-was-made")
    assert check(KeyGuard(KEY), scope(made, peer="192.0.2.7")) is GUEST


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", KEY, f"Basic {KEY}", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", "ÿ"],
)
def test_anything_but_the_key_is_refused_even_on_this_machine(value: str) -> None:
    assert refused(KeyGuard(KEY), ("authorization", value)) == 401


def test_without_the_header_it_is_told_which_one_to_send() -> None:
    with pytest.raises(ApiError, match="Authorization: Bearer") as error:
        check(KeyGuard(KEY), scope())
    assert error.value.headers[b"www-authenticate"].startswith(b"Bearer")


def test_two_keys_at_once_are_refused() -> None:
    header = ("authorization", f"Bearer {KEY}")
    assert refused(KeyGuard(KEY), header, header) == 401


def test_a_refusal_does_not_quote_the_key() -> None:
    with pytest.raises(ApiError) as error:
        check(KeyGuard(KEY), scope(("authorization", f"Bearer {KEY}wrong")))
    assert KEY.encode() not in error.value.response().body


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000"])
def test_the_demo_is_open_to_this_machine(peer: str, host: str) -> None:
    check(OpenOnLoopback(), scope(("host", host), peer=peer))


@pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "", None])
def test_the_demo_is_closed_to_other_machines(peer: str | None) -> None:
    assert refused(OpenOnLoopback(), ("host", "localhost"), peer=peer) == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "", "[::1", "a:b"])
def test_the_demo_is_not_called_by_a_foreign_name(host: str) -> None:
    # A web page whose name was made to point to this machine, in its owner's own browser.
    assert refused(OpenOnLoopback(), ("host", host)) == 403


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded", "via", "x-real-ip"])
def test_the_demo_is_closed_to_what_a_tunnel_brings_in(name: str) -> None:
    assert refused(OpenOnLoopback(), ("host", "localhost"), (name, "127.0.0.1")) == 403


GUARDS = pytest.mark.parametrize("guard", [KeyGuard(KEY), OpenOnLoopback()], ids=["key", "open"])
AUTHORIZED = ("authorization", f"Bearer {KEY}")
HERE = ("host", "localhost:8000")


@GUARDS
@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_pages_of_the_server_itself_may_ask(guard: Guard, site: str) -> None:
    # A proxy changed the name by which the browser knows us: what the browser says still counts.
    origin = ("origin", "https://raphus.example")
    check(guard, scope(AUTHORIZED, HERE, origin, ("sec-fetch-site", site)))


@GUARDS
@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "anything", "Same-Origin"])
def test_pages_of_other_sites_are_refused_whatever_they_know(guard: Guard, site: str) -> None:
    header = ("sec-fetch-site", site)
    assert refused(guard, AUTHORIZED, HERE, header) == 403
    assert refused(guard, AUTHORIZED, HERE, ("origin", "http://localhost:8000"), header) == 403
    assert refused(guard, AUTHORIZED, HERE, ("sec-fetch-site", "same-origin"), header) == 403


@GUARDS
@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8000", "localhost:8000"),
        ("http://LOCALHOST", "localhost"),
        ("http://localhost", "localhost:80"),
        ("https://localhost:443", "localhost"),
        ("http://[::1]:8000", "[::1]:8000"),
    ],
)
def test_where_the_browser_does_not_say_it_the_origin_must_be_the_host(
    guard: Guard, origin: str, host: str
) -> None:
    check(guard, scope(AUTHORIZED, ("host", host), ("origin", origin)))


@GUARDS
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1.evil.example:8000",
        "http://evil.example/localhost:8000",
        "http://localhost:3000",
        "https://localhost",
        "http://localhost:8000/evil",
        "http://localhost:8000?evil",
        "ftp://localhost:8000",
        "http://:8000",
        "null",
        "",
        "localhost:8000",
        "http://[::1",
        "http://localhost:port",
        "ÿ",
    ],
)
def test_pages_of_other_origins_are_refused_whatever_they_know(guard: Guard, origin: str) -> None:
    # A web page that posts to this machine from its owner's own browser.
    assert refused(guard, AUTHORIZED, HERE, ("origin", origin)) == 403
    local = ("origin", "http://localhost:8000")
    assert refused(guard, AUTHORIZED, HERE, local, ("origin", origin)) == 403


def test_with_an_origin_but_no_host_nobody_is_answered() -> None:
    assert refused(KeyGuard(KEY), AUTHORIZED, ("origin", "http://localhost")) == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1", "::ffff:127.0.0.1"])
def test_these_are_this_machines_own_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", "localhost.example"])
def test_these_are_others_names(host: str) -> None:
    assert not is_loopback(host)
