"""Where webhooks may go: nothing of our own network, in whatever guise."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.targets.endpoint.addresses import is_address, refusal

PUBLIC = ["8.8.8.8", "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::808:808"]
PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "::1",
    "fc00::1",
    "fd12:3456:789a::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b::7f00:1",
]
NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "::",
    "::7f00:1",
    "::ffff:0:127.0.0.1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "4000::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_may_be_sent_to(address: str) -> None:
    assert refusal(address, is_private_allowed=False) is None
    assert refusal(address, is_private_allowed=True) is None


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_private_may_be_sent_to_if_it_is_allowed(address: str) -> None:
    refused = refusal(address, is_private_allowed=False)
    assert refused in {"a private address", "a loopback address"}
    assert refusal(address, is_private_allowed=True) is None


@pytest.mark.parametrize("address", NEVER)
def test_what_is_no_hosts_or_tells_secrets_is_never_sent_to(address: str) -> None:
    assert refusal(address, is_private_allowed=False) is not None
    assert refusal(address, is_private_allowed=True) is not None


@given(st.ip_addresses(v=4))
def test_an_address_in_the_guise_of_another_is_what_it_leads_to(address: IPv4Address) -> None:
    mapped = IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)
    translated = IPv6Address(bytes.fromhex("0064ff9b0000000000000000") + address.packed)
    for allowed in (False, True):
        told = refusal(str(address), is_private_allowed=allowed)
        for guise in (mapped, translated):
            assert refusal(str(guise), is_private_allowed=allowed) == told


@given(st.ip_addresses(v=6))
def test_of_the_new_protocol_only_global_unicast_is_public(address: IPv6Address) -> None:
    if refusal(str(address), is_private_allowed=False) is None:
        is_global = address.packed[0] >> 5 == 1
        assert is_global or address.ipv4_mapped or str(address).startswith("64:ff9b::")


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("example.com", False), ("127.1", False)],
)
def test_an_address_is_told_from_a_name(host: str, expected: bool) -> None:
    assert is_address(host) is expected
