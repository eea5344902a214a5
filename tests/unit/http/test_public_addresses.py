"""Where a URL of somebody else's may lead."""

import socket

import aiohttp
import pytest

from shared.http.client import session
from shared.http.public_addresses import AddressRefused, PublicResolver, is_public, public_url


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "0.1.2.3"),
        *("224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.0.8", "198.18.0.1", "203.0.113.7"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1"),
        *("::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a00:1::", "2001::1", "64:ff9b:1::1"),
    ],
)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_what_is_public_is_not(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/", "https://127.0.0.1/", "https://localhost/", "https://a.localhost/", "https://[::1]/"),
        *(
            "https://169.254.169.254/latest",
            "https://10.0.0.1:8443/",
            "https://user@example.com/",
            "https://:p@a.example/",
        ),
        *(
            "https://example.com/#part",
            "https://example.com/#",
            "http://127.0.0.1:8090/x",
            "https://[::ffff:10.0.0.1]/",
        ),
    ],
)
def test_a_url_that_cannot_be_good_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        public_url(url, loopback=False)


def test_one_that_may_be_good_is_taken() -> None:
    for url in ("https://example.com/hooks?x=1", "https://8.8.8.8/", "https://example.com:8443"):
        assert public_url(url, loopback=False) == url


def test_loopback_is_for_beside_the_emulators_alone() -> None:
    for url in ("http://127.0.0.1:8090/x", "https://localhost/x", "http://[::1]/"):
        assert public_url(url, loopback=True) == url
    for url in ("http://10.0.0.1/", "https://10.0.0.1/", "http://example.com/"):
        with pytest.raises(ValueError, match="must"):
            public_url(url, loopback=True)


def resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def getaddrinfo(*_: object, **__: object) -> list[object]:
        return [
            (
                socket.AF_INET6 if ":" in a else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (a, 443, *((0, 0) if ":" in a else ())),
            )
            for a in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize("addresses", [("10.0.0.1",), ("8.8.8.8", "127.0.0.1"), ("169.254.169.254",)])
async def test_a_name_is_judged_by_what_it_resolves_to(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]
) -> None:
    resolving_to(monkeypatch, *addresses)
    with pytest.raises(AddressRefused):
        await PublicResolver(loopback=False).resolve("example.com", 443)


async def test_what_is_connected_to_is_what_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, "8.8.8.8", "8.8.4.4")
    found = await PublicResolver(loopback=False).resolve("example.com", 443)
    assert [each["host"] for each in found] == ["8.8.8.8", "8.8.4.4"]
    assert {each["hostname"] for each in found} == {"example.com"}  # by which its certificate is judged


@pytest.mark.parametrize("host", ["rebound.example", "0x7f.1"])
async def test_a_session_connects_to_no_private_address(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    resolving_to(monkeypatch, "127.0.0.1")
    async with session("the endpoint", resolver=PublicResolver(loopback=False)) as http:
        with pytest.raises(aiohttp.ClientConnectorError) as raised:
            await http.post(f"https://{host}/")
        assert isinstance(raised.value.os_error, AddressRefused)
