"""Where a URL that somebody else has chosen may lead: to public addresses alone, and to nothing of ours.

What counts is the address that is connected to. So a name is judged by what it resolves to at the call, and the
connection goes to just that address: another answer a moment later (DNS rebinding) changes nothing.
"""

import asyncio
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from socket import AddressFamily
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

_PROTOCOLS = IPv4Network("192.0.0.0/24")  # RFC 6890; Python 3.11 had some of it as global until 3.11.10
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last 32 bits


_RESOLVED_SECONDS = 5.0  # whoever chooses a name may choose one whose server never answers


class AddressRefused(OSError):
    """It is not public. Raised by the resolver, so within aiohttp's own error."""


def is_public(address: str) -> bool:
    """Raises ValueError when it is no address."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip in _NAT64:
            return is_public(str(ip_address(int(ip) & 0xFFFFFFFF)))
        if ip.sixtofour is not None or ip.teredo is not None or ip.is_site_local:
            return False
    if isinstance(ip, IPv4Address) and ip in _PROTOCOLS:
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not ip.is_unspecified


def is_loopback(address: str) -> bool:
    """Raises ValueError when it is no address."""
    return ip_address(address.partition("%")[0]).is_loopback


def public_url(url: str, *, loopback: bool) -> str:
    """The URL as it is: https, and to no address that is not public, as far as it has one itself. Raises ValueError.

    loopback: whether http:// and https:// may go to this machine
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.username is not None or parts.password is not None:
        raise ValueError("must have no user or password: they would be in the logs of others")
    if parts.fragment or "#" in url:
        raise ValueError("must have no fragment: it is never sent")
    own = host == "localhost" or _is_ip(host, of_loopback=True)
    if own and loopback:
        return url
    if parts.scheme != "https":
        raise ValueError("must be an https:// URL")
    if own or host.endswith(".localhost") or (_is_ip(host) and not is_public(host)):
        raise ValueError("must be a public address")
    return url


def _is_ip(host: str, *, of_loopback: bool = False) -> bool:
    try:
        return is_loopback(host) if of_loopback else bool(ip_address(host))
    except ValueError:
        return False


class PublicResolver(AbstractResolver):
    """Resolves names as the system does, and raises AddressRefused where an address is not public.

    aiohttp asks no resolver about a URL that has an address instead of a name: `public_url` judges those.
    """

    def __init__(self, *, loopback: bool) -> None:
        self._loopback = loopback
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            async with asyncio.timeout(_RESOLVED_SECONDS):
                found = await self._resolver.resolve(host, port, family)
        except TimeoutError:
            raise OSError("the name was not resolved in time") from None
        for each in found:
            if not is_public(each["host"]) and not (self._loopback and is_loopback(each["host"])):
                raise AddressRefused("the name leads to an address that is not public")
        return found

    async def close(self) -> None:
        await self._resolver.close()
