"""Which addresses a notification may be sent to: those of the internet, and what an operator allows besides.

What is not for everybody is listed here, after IANA's registries of special addresses, and not left to
`ipaddress`, which knows it otherwise in each version of Python.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_IPV4 = {
    IPv4Network(network): what
    for network, what in {
        "0.0.0.0/8": "an unspecified address",
        "10.0.0.0/8": "a private address",
        "100.64.0.0/10": "a private address of a provider",
        "127.0.0.0/8": "an address of this machine",
        # Azure's, which no registry holds.
        "168.63.129.16/32": "an address of a cloud's metadata",
        "169.254.169.254/32": "an address of a cloud's metadata",
        "169.254.0.0/16": "a link-local address",
        "172.16.0.0/12": "a private address",
        "192.0.0.0/24": "a reserved address",
        "192.0.2.0/24": "an address for documentation",
        "192.88.99.0/24": "a reserved address",
        "192.168.0.0/16": "a private address",
        "198.18.0.0/15": "an address for benchmarks",
        "198.51.100.0/24": "an address for documentation",
        "203.0.113.0/24": "an address for documentation",
        "224.0.0.0/4": "a multicast address",
        "240.0.0.0/4": "a reserved address",
    }.items()
}
_IPV6 = {
    IPv6Network(network): what
    for network, what in {
        "::/128": "an unspecified address",
        "::1/128": "an address of this machine",
        "2001::/23": "a reserved address",
        "2001:db8::/32": "an address for documentation",
        "3fff::/20": "an address for documentation",
        "fc00::/7": "a private address",
        "fe80::/10": "a link-local address",
        "fec0::/10": "a private address",
        "ff00::/8": "a multicast address",
    }.items()
}
#: All that IANA gives out for the internet.
_INTERNET = IPv6Network("2000::/3")
#: Where a gateway reads an IPv4 address out of an IPv6 one, and how many bits stand after it.
_GATEWAYS = {IPv6Network("64:ff9b::/96"): 0, IPv6Network("2002::/16"): 80}


@dataclass(frozen=True, slots=True)
class Reach:
    """What an operator allows besides the internet."""

    #: Any address at all.
    private: bool = False
    #: This machine.
    this_machine: bool = False


def is_this_machine(address: str) -> bool:
    """Tell whether an address, as the system writes it, never leaves this machine."""
    return _meant(address).is_loopback


def refusal(address: str, reach: Reach) -> str | None:
    """Return what an address is, as the system writes it, if it may not be sent to."""
    if reach.private or (reach.this_machine and is_this_machine(address)):
        return None
    return _what(_meant(address))


def _meant(address: str) -> IPv4Address | IPv6Address:
    parsed = ip_address(address)
    return (isinstance(parsed, IPv6Address) and parsed.ipv4_mapped) or parsed


def _what(address: IPv4Address | IPv6Address) -> str | None:
    if isinstance(address, IPv4Address):
        return next((what for network, what in _IPV4.items() if address in network), None)
    for network, after in _GATEWAYS.items():
        if address in network:
            return _what(IPv4Address((int(address) >> after) & 0xFFFF_FFFF))
    found = next((what for network, what in _IPV6.items() if address in network), None)
    return found or (None if address in _INTERNET else "a reserved address")
