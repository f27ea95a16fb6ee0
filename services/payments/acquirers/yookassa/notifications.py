"""YooKassa's notifications: not signed, so known by the network that they come from.

They are reasons to ask for the payment, as any callback is, and nothing in them is believed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

import msgspec

from services.payments.acquirers import Callback, CallbackRequest
from services.payments.acquirers.yookassa.objects import ORDER_NUMBER

Network = IPv4Network | IPv6Network

PUBLISHED_NETWORKS: Final = (
    "185.71.76.0/27",
    "185.71.77.0/27",
    "77.75.153.0/25",
    "77.75.154.128/25",
    "77.75.156.11/32",
    "77.75.156.35/32",
    "2a02:5180::/32",
)
"""Where YooKassa says that its notifications come from."""

_MOST_CHARACTERS: Final = 64 * 1024
_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)


class _Object(msgspec.Struct, frozen=True):
    id: str
    payment_id: str = ""
    metadata: dict[str, Any] = {}


class _Notification(msgspec.Struct, frozen=True):
    type: str
    event: str
    object: _Object


def networks_of(given: Sequence[str]) -> tuple[Network, ...]:
    """Return the networks of a setting; the published ones without it."""
    return tuple(ip_network(network) for network in given or PUBLISHED_NETWORKS)


def read_notification(request: CallbackRequest, networks: Sequence[Network]) -> Callback | None:
    """Return the callback of a notification; None from elsewhere, and for what is none."""
    if len(request.body) > _MOST_CHARACTERS or not _is_from(request.remote_address, networks):
        return None
    try:
        notification = msgspec.json.decode(request.body, type=_Notification)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
    subject, _, _ = notification.event.partition(".")
    about = notification.object
    payment_id = {"payment": about.id, "refund": about.payment_id}.get(subject, "")
    if notification.type != "notification" or not _ID.fullmatch(payment_id):
        return None
    number = about.metadata.get(ORDER_NUMBER) if subject == "payment" else ""
    known = isinstance(number, str) and _ID.fullmatch(number)
    return Callback(order_number=str(number) if known else "", order_id=payment_id)


def _is_from(remote_address: str, networks: Sequence[Network]) -> bool:
    try:
        address = ip_address(remote_address)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
