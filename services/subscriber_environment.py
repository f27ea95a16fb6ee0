"""The environment of a subscriber: what its program needs, and nothing that is not its own."""

from __future__ import annotations

import shlex
from pathlib import Path
from urllib.parse import unquote, urlsplit

from services.staff_environment import signed_in
from services.subscriber_administration import Credentials
from shared.bus.principals import Principal
from shared.config import ConfigurationError, Settings

AMQP_URL, TOKEN = "SALDO_AMQP_URL", "SALDO_EVENTS_TOKEN"


def subscriber_environment(
    settings: Settings, name: str, credentials: Credentials
) -> dict[str, str]:
    """Return the variables of a subscriber's program."""
    if not settings.amqp_url:
        raise ConfigurationError("set SALDO_AMQP_URL to the amqp:// URL of RabbitMQ")
    user = Principal("subscriber", name).user
    return {
        AMQP_URL: signed_in(settings.amqp_url, user, credentials.password),
        TOKEN: credentials.token,
        "SALDO_QUEUE_PREFIX": f"{user}.",
        "SALDO_URL": settings.url,
    }


def credentials_in(path: Path) -> Credentials | None:
    """Return the credentials in a file that was written for a subscriber; None without any."""
    if not path.is_file():
        return None
    words = shlex.split(path.read_text(encoding="utf-8"))
    found = dict(word.split("=", 1) for word in words if "=" in word)
    password = unquote(urlsplit(found.get(AMQP_URL, "")).password or "")
    token = found.get(TOKEN, "")
    return Credentials(password, token) if password and token else None
