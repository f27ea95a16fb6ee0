"""The address of the caller: the peer's, or the one that a trusted proxy names."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from shared.config import ConfigurationError

Network = IPv4Network | IPv6Network


def trusted_networks(setting: str) -> tuple[Network, ...]:
    """Return the networks of SALDO_TRUSTED_PROXY: our own proxies, comma separated.

    Raises ConfigurationError for anything else: a proxy trusted by mistake lets callers choose
    the address under which their attempts are counted.
    """
    try:
        return tuple(ip_network(part.strip()) for part in setting.split(",") if part.strip())
    except ValueError as error:
        raise ConfigurationError(
            "SALDO_TRUSTED_PROXY must be addresses or networks, like 10.0.0.0/8, 192.0.2.7"
        ) from error


def caller_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """Return the nearest address that is not a proxy of ours.

    X-Forwarded-For is read from its end, where our own proxies write. Whatever comes before the
    first address that is not ours may be made up by the caller.
    """
    address = peer
    hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
    while hops and _is_in(address, trusted):
        next_hop = hops.pop()
        if not _is_address(next_hop):
            break
        address = next_hop
    return address


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
