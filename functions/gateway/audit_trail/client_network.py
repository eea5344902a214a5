"""From where a request came, as far as the gateway can know it."""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Literal

from starlette.datastructures import Headers
from starlette.types import Scope

Ingress = Literal["all", "internal", "internal-and-cloud-load-balancing"]

_BEFORE = {"internal": 1, "internal-and-cloud-load-balancing": 2}
"""Which entry of X-Forwarded-For, from the end, those have written whom the client cannot talk past: Google's front end
adds whom it serves, a load balancer the client and itself (https://cloud.google.com/load-balancing/docs/https#x-forwarded-for_header).
What stands before it the client may have made up."""


def client_network(scope: Scope, ingress: Ingress) -> str | None:
    """Of the client: the first 24 bits of an IPv4 address, the first 48 of an IPv6 address; None: nobody can tell.

    That is where somebody sits, and not who: the whole address would be a person's. A hash of one can be guessed back,
    and tells an operator nothing.
    """
    try:
        address = ip_address(_address(scope, ingress))
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))


def _address(scope: Scope, ingress: Ingress) -> str:
    if ingress == "all":  # nobody is known to stand in front
        return str((scope.get("client") or ("",))[0])
    hops = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
    place = _BEFORE[ingress]
    return hops[-place].strip() if len(hops) >= place else ""
