"""Principals: who is known to the broker, and so to whoever reads a message.

Each service, each book of the ledger, the gateway, each of the staff and each subscriber signs in
to the broker as a user of its own. RabbitMQ refuses a message whose property ``user_id`` is not the
user of the connection (https://www.rabbitmq.com/docs/validated-user-id), so a reader knows the
sender by it. A header can say anything and proves nothing.
"""

from __future__ import annotations

import re
import ssl
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from shared.books import is_book
from shared.config import GATEWAY, SERVICES, user_of

Kind = Literal["service", "gateway", "staff", "subscriber"]

__all__ = ["NAME", "Kind", "Principal", "principal_of", "tls_of", "user_of", "virtual_host_of"]

NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
"""The name of one of the staff, or of a subscriber."""


class Principal(NamedTuple):
    """Who sent a message; ``name`` is that of the service, book, person or subscriber."""

    kind: Kind
    name: str

    @property
    def user(self) -> str:
        """Return the broker's user."""
        return f"{self.kind}.{self.name}" if self.kind in ("staff", "subscriber") else self.name

    @property
    def actor(self) -> str:
        """Return who acts, as events record it."""
        return f"{self.kind}:{self.name}"


def principal_of(user_id: object) -> Principal | None:
    """Return whose user of the broker this is; None for nobody's, such as its administrator."""
    if not isinstance(user_id, str):
        return None
    if user_id in SERVICES or is_book(user_id):
        return Principal("service", user_id)
    if user_id == GATEWAY:
        return Principal("gateway", GATEWAY)
    kind, _, name = user_id.partition(".")
    if not NAME.fullmatch(name):
        return None
    if kind == "staff":
        return Principal("staff", name)
    return Principal("subscriber", name) if kind == "subscriber" else None


def virtual_host_of(amqp_url: str) -> str:
    """Return the virtual host of an AMQP URL; RabbitMQ's own default where it names none."""
    return unquote(urlsplit(amqp_url).path.removeprefix("/")) or "/"


def tls_of(amqp_url: str) -> dict[str, Any] | None:
    """Return the options of TLS of an ``amqps`` URL, as kombu takes them; None without TLS.

    By itself kombu verifies that a certificate is trusted, but not that it is the broker's.
    """
    url = urlsplit(amqp_url)
    if url.scheme != "amqps":
        return None
    return {"server_hostname": url.hostname, "cert_reqs": ssl.CERT_REQUIRED}
