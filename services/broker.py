"""Prepares RabbitMQ, as its administrator: who may sign in, and what each may do there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from shared.bus.administration import BrokerAdministration
from shared.bus.definitions import definitions
from shared.bus.permissions import Rights, rights_of_gateway, rights_of_service
from shared.bus.principals import virtual_host_of
from shared.config import GATEWAY, ConfigurationError, Settings


def prepare_broker(names: Sequence[str], settings: Settings) -> None:
    """Create the broker's users of services and of the gateway, with the passwords of their URLs.

    What exists is changed to what it should be. Raises BrokerAdministrationError when the broker
    does not respond or refuses.
    """
    if not settings.amqp_admin_url:
        raise ConfigurationError(
            "set SALDO_AMQP_ADMIN_URL to RabbitMQ's management API with its administrator, as "
            "http://user:password@host:15672"
        )
    users, virtual_host = _users(names, settings)
    broker = BrokerAdministration(settings.amqp_admin_url, virtual_host)
    broker.set_up(users, queue_bytes=settings.subscriber_queue_bytes)


def broker_definitions(names: Sequence[str], settings: Settings) -> dict[str, Any]:
    """Return the same as definitions that RabbitMQ imports; passwords are salted hashes."""
    users, virtual_host = _users(names, settings)
    return definitions(virtual_host, users, queue_bytes=settings.subscriber_queue_bytes)


def _users(
    names: Sequence[str], settings: Settings
) -> tuple[Mapping[str, tuple[str, Rights]], str]:
    """Return user -> (password, rights), and the virtual host that all their URLs name."""
    urls = {name: settings.amqp_url_of(name) for name in (*names, GATEWAY)}
    hosts = {virtual_host_of(url) for url in urls.values()}
    if len(hosts) > 1:
        raise ConfigurationError(
            f"the SALDO_AMQP_URL_* name several virtual hosts ({', '.join(sorted(hosts))}); all "
            "services meet in one"
        )
    books = settings.books
    rights = {name: rights_of_service(name, books) for name in names}
    rights[GATEWAY] = rights_of_gateway(books)
    return {name: (_password(name, url), rights[name]) for name, url in urls.items()}, hosts.pop()


def _password(name: str, amqp_url: str) -> str:
    password = unquote(urlsplit(amqp_url).password or "")
    if not password:
        raise ConfigurationError(f"SALDO_AMQP_URL_{name.upper()} has no password")
    return password
