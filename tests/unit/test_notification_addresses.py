"""Which addresses a notification may be sent to."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.notifications.addresses import Reach, is_this_machine, refusal

PUBLIC = Reach()
#: What is public for `ipaddress` and still no place for a server.
STRICTER = [ip_network(text) for text in ("168.63.129.16/32", "192.88.99.0/24", "192.0.0.0/24")]
#: What leads to an IPv4 address through a gateway, or is one.
FORMS: dict[str, Callable[[IPv4Address], IPv6Address]] = {
    "mapped": lambda four: IPv6Address(0xFFFF_0000_0000 | int(four)),
    "NAT64": lambda four: IPv6Address((0x64_FF9B << 96) | int(four)),
    "6to4": lambda four: IPv6Address((0x2002 << 112) | (int(four) << 80) | 1),
}


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("0.0.0.0", "an unspecified address"),
        ("10.1.2.3", "a private address"),
        ("100.64.0.1", "a private address of a provider"),
        ("100.100.100.200", "a private address of a provider"),
        ("127.0.0.1", "an address of this machine"),
        ("168.63.129.16", "an address of a cloud's metadata"),
        ("169.254.169.254", "an address of a cloud's metadata"),
        ("169.254.1.1", "a link-local address"),
        ("172.31.255.255", "a private address"),
        ("192.168.0.1", "a private address"),
        ("224.0.0.1", "a multicast address"),
        ("255.255.255.255", "a reserved address"),
        ("::", "an unspecified address"),
        ("::1", "an address of this machine"),
        ("::127.0.0.1", "a reserved address"),
        ("::ffff:127.0.0.1", "an address of this machine"),
        ("::ffff:169.254.169.254", "an address of a cloud's metadata"),
        ("::ffff:0:808:808", "a reserved address"),
        ("64:ff9b::a00:1", "a private address"),
        ("64:ff9b:1::a00:1", "a reserved address"),
        ("2002:7f00:1::", "an address of this machine"),
        ("2001:0:5db8:d822::1", "a reserved address"),
        ("2001:db8::1", "an address for documentation"),
        ("fd00:ec2::254", "a private address"),
        ("fe80::1%eth0", "a link-local address"),
        ("ff02::1", "a multicast address"),
        ("8.8.8.8", None),
        ("172.32.0.1", None),
        ("::ffff:8.8.8.8", None),
        ("64:ff9b::8.8.8.8", None),
        ("2002:808:808::1", None),
        ("2606:4700::1111", None),
    ],
)
def test_what_is_no_address_of_the_internet_is_named(address: str, what: str | None) -> None:
    assert refusal(address, PUBLIC) == what
    assert refusal(address, Reach(private=True)) is None


@given(st.ip_addresses(v=4))
def test_ipv4_is_as_strict_as_python_and_as_wide_but_for_what_is_listed(address: IPv4Address) -> None:
    public = address.is_global and not address.is_multicast
    if not any(address in network for network in STRICTER):
        assert (refusal(str(address), PUBLIC) is None) == public


@given(st.ip_addresses(v=6))
def test_ipv6_is_as_strict_as_python(address: IPv6Address) -> None:
    if refusal(str(address), PUBLIC) is None and not address.ipv4_mapped:
        assert address.is_global
        assert address in IPv6Network("2000::/3") or address in IPv6Network("64:ff9b::/96")


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_the_same_in_every_form(address: IPv4Address) -> None:
    said = {refusal(str(form(address)), PUBLIC) for form in FORMS.values()}
    assert said == {refusal(str(address), PUBLIC)}


@given(st.ip_addresses())
def test_this_machine_alone_is_loopback_alone(address: IPv4Address | IPv6Address) -> None:
    reach = Reach(this_machine=True)
    own = address in IPv4Network("127.0.0.0/8") or address in IPv6Network("::ffff:127.0.0.0/104")
    own = own or address == IPv6Address("::1")
    assert is_this_machine(str(address)) == own
    assert refusal(str(address), reach) == (None if own else refusal(str(address), PUBLIC))


def test_a_gateway_to_loopback_is_another_machine() -> None:
    assert refusal("64:ff9b::7f00:1", Reach(this_machine=True)) == "an address of this machine"
