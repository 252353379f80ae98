"""Who may read, with a key and without."""

from __future__ import annotations

import pytest

from api.auth import Guard
from api.errors import ApiError

KEY = "a-key-of-thirty-two-characters-0"


def scope(*headers: tuple[str, str], peer: str | None = "127.0.0.1") -> dict[str, object]:
    """Make the part of a request's scope that a guard reads."""
    return {
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        "client": (peer, 50_000) if peer else None,
    }


def refused(guard: Guard, *headers: tuple[str, str], peer: str | None = "127.0.0.1") -> int:
    """Check a request that must be refused, and return the status."""
    with pytest.raises(ApiError) as error:
        guard.check(scope(*headers, peer=peer))
    return error.value.status


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_who_shows_the_key_may_read_from_anywhere(scheme: str) -> None:
    headers = ("authorization", f"{scheme} {KEY}"), ("x-forwarded-for", "192.0.2.1")
    Guard(KEY).check(scope(*headers, peer="192.0.2.7"))


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", KEY, f"Basic {KEY}", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", "ÿ"],
)
def test_anything_but_the_key_is_refused_even_on_this_machine(value: str) -> None:
    assert refused(Guard(KEY), ("authorization", value)) == 401


def test_without_the_header_it_is_told_which_one_to_send() -> None:
    with pytest.raises(ApiError, match="Authorization: Bearer") as error:
        Guard(KEY).check(scope())
    assert error.value.headers[b"www-authenticate"].startswith(b"Bearer")


def test_two_keys_at_once_are_refused() -> None:
    header = ("authorization", f"Bearer {KEY}")
    assert refused(Guard(KEY), header, header) == 401


def test_a_refusal_does_not_quote_the_key() -> None:
    with pytest.raises(ApiError) as error:
        Guard(KEY).check(scope(("authorization", f"Bearer {KEY}wrong")))
    assert KEY.encode() not in error.value.answer().body


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000"])
def test_without_a_key_this_machine_may_read(peer: str, host: str) -> None:
    Guard(None).check(scope(("host", host), peer=peer))


@pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "", None])
def test_without_a_key_other_machines_are_refused(peer: str | None) -> None:
    assert refused(Guard(None), ("host", "localhost"), peer=peer) == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "", "[::1", "a:b"])
def test_without_a_key_a_foreign_name_is_refused(host: str) -> None:
    # A web page whose name was made to point to this machine, in its owner's own browser.
    assert refused(Guard(None), ("host", host)) == 403


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded", "via", "x-real-ip"])
def test_without_a_key_what_a_tunnel_brings_in_is_refused(name: str) -> None:
    assert refused(Guard(None), ("host", "localhost"), (name, "127.0.0.1")) == 403


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:8000", "http://127.0.0.1:3000", "http://[::1]", "https://localhost"],
)
def test_without_a_key_pages_of_this_machine_may_ask(origin: str) -> None:
    Guard(None).check(scope(("host", "localhost:8000"), ("origin", origin)))


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1.evil.example:8000",
        "http://evil.example/localhost",
        "http://localhost/evil",
        "http://localhost?evil",
        "null",
        "",
        "localhost",
        "http://[::1",
    ],
)
def test_without_a_key_pages_of_other_origins_are_refused(origin: str) -> None:
    # A web page that posts to this machine from its owner's own browser.
    assert refused(Guard(None), ("host", "localhost"), ("origin", origin)) == 403
    local = ("origin", "http://localhost")
    assert refused(Guard(None), ("host", "localhost"), local, ("origin", origin)) == 403


def test_who_shows_the_key_may_ask_from_any_origin() -> None:
    headers = ("authorization", f"Bearer {KEY}"), ("origin", "https://ours.example")
    Guard(KEY).check(scope(*headers))
