"""From where a request came: only what those in front have written counts, and never the whole address."""

from typing import Any

import pytest

from functions.gateway.audit_trail.client_network import Ingress, client_network


def scope(forwarded: str | None = None, peer: str = "192.0.2.7") -> dict[str, Any]:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    return {"type": "http", "headers": headers, "client": (peer, 1234)}


@pytest.mark.parametrize(
    ("ingress", "forwarded", "network"),
    [
        ("internal-and-cloud-load-balancing", "203.0.113.9,198.51.100.1", "203.0.113.0/24"),
        ("internal-and-cloud-load-balancing", "10.9.9.9, 203.0.113.9, 198.51.100.1", "203.0.113.0/24"),
        ("internal-and-cloud-load-balancing", "2001:db8:1:2::9,198.51.100.1", "2001:db8:1::/48"),
        ("internal-and-cloud-load-balancing", "::ffff:203.0.113.9,198.51.100.1", "203.0.113.0/24"),
        ("internal-and-cloud-load-balancing", "203.0.113.9", None),
        ("internal-and-cloud-load-balancing", "a@example.com,198.51.100.1", None),
        ("internal-and-cloud-load-balancing", None, None),
        ("internal", "10.9.9.9, 203.0.113.9", "203.0.113.0/24"),
        ("all", "203.0.113.9,198.51.100.1", "192.0.2.0/24"),
        ("all", None, "192.0.2.0/24"),
    ],
)
def test_it_is_the_clients_network_as_those_in_front_say(
    ingress: Ingress, forwarded: str | None, network: str | None
) -> None:
    assert client_network(scope(forwarded), ingress) == network


def test_a_peer_that_is_no_address_is_nobody_knows() -> None:
    assert client_network(scope(peer="testclient"), "all") is None
    assert client_network({"type": "http", "headers": [], "client": None}, "all") is None
