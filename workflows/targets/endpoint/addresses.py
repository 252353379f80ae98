"""Which addresses of the internet protocols an endpoint may have, so that none is of our network.

After IANA's registries of special-purpose addresses (RFC 6890 and its updates). Addresses that have
an IPv4 address in them (RFC 4291, RFC 6052) are what that one is.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

_GLOBAL: Final = ip_network("2000::/3")
_TRANSLATED: Final = ip_network("64:ff9b::/96")
_TUNNELS: Final = (ip_network("2001::/32"), ip_network("2002::/16"))
"""Teredo and 6to4, whose addresses lead to IPv4 addresses that they name in disguise."""
_PRIVATE: Final = (
    *map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),
    ip_network("100.64.0.0/10"),
)
"""RFC 1918, and RFC 6598 that providers share."""
_UNIQUE_LOCAL: Final = ip_network("fc00::/7")
_ODD: Final = (ip_network("192.0.0.0/24"), ip_network("192.88.99.0/24"))
"""Of protocols: NAT64 discovery and the like, and the way into 6to4."""


def refusal(address: str, *, is_private_allowed: bool) -> str | None:
    """Return why nothing is sent to an address, "a loopback address"; None where it may be.

    What is private (loopback, private, shared and unique-local addresses) may be allowed; what is
    link-local, where clouds tell their secrets, and what is no single host's never is.

    Raises:
        ValueError: it is no address.
    """
    one = _unwrapped(address)
    if one.is_unspecified or one.is_multicast or str(one) == "255.255.255.255":
        return "an address of no host"
    if one.is_link_local or (isinstance(one, IPv6Address) and one.is_site_local):
        return "a link-local address"
    if one.is_loopback:
        return None if is_private_allowed else "a loopback address"
    if _is_private(one):
        return None if is_private_allowed else "a private address"
    return None if _is_public(one) else "a reserved address"


def is_address(host: str) -> bool:
    """Tell whether a host is an address, and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _unwrapped(address: str) -> IPv4Address | IPv6Address:
    one = ip_address(address)
    if isinstance(one, IPv6Address):
        if one.ipv4_mapped is not None:
            return one.ipv4_mapped
        if one in _TRANSLATED:
            return IPv4Address(one.packed[-4:])
    return one


def _is_private(one: IPv4Address | IPv6Address) -> bool:
    if isinstance(one, IPv6Address):
        return one in _UNIQUE_LOCAL
    return any(one in network for network in _PRIVATE)


def _is_public(one: IPv4Address | IPv6Address) -> bool:
    if isinstance(one, IPv6Address):
        return one.is_global and one in _GLOBAL and not any(one in net for net in _TUNNELS)
    return one.is_global and not one.is_reserved and not any(one in net for net in _ODD)
