"""Settings: everything that differs between installations, read once from the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SERVICES = ("identity", "accounts", "ledger", "payments", "notifications", "helpdesk")
"""All services. A new one is its folder, its contracts module, and its name here."""

REQUEST_SECONDS = 15.0
"""How long a client may take for the head of a request, and again for its body."""

PAGE_READ_SECONDS = 2.0

MIN_STREAM_BYTES = 2**20
_AGE = re.compile(r"[1-9][0-9]{0,8}[YMDhms]")


class ConfigurationError(Exception):
    """The environment lacks a setting, or holds one that cannot be used."""


@dataclass(frozen=True)
class Settings:
    """The settings of an installation. Secrets are kept out of the repr."""

    amqp_url: str = field(repr=False)
    secret: bytes = field(repr=False)
    database_url: str = field(default="", repr=False)
    database_urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: str = "http://127.0.0.1:18080"
    gateway_listen: str = "127.0.0.1:18080"
    smtp_url: str = field(default="smtp://127.0.0.1:18025", repr=False)
    mail_from: str = "Saldo <no-reply@saldo.invalid>"
    acquirer: str = "rbs"
    acquirer_url: str = "http://127.0.0.1:18090"
    acquirer_user: str = "saldo"
    acquirer_password: str = field(default="", repr=False)
    acquirer_secret: str = field(default="", repr=False)
    monitoring_listen: str = "127.0.0.1:0"
    """Where the process answers `/metrics` and `/readyz`; port 0: any, which the log names."""
    gateway_head_seconds: float = REQUEST_SECONDS
    """Time limit for a request line with its headers, and so for an idle connection."""
    gateway_body_seconds: float = REQUEST_SECONDS
    """Time limit for the body of a request."""
    page_read_seconds: float = PAGE_READ_SECONDS
    """How long a page waits for each read of our services."""
    payees: str = ""
    """The file with the bank details that bills are paid to; without one, the demo's."""
    documents: str = ""
    """The folder with the operator's versions of the rules, the consent, the instruction."""
    timezone: str = "Europe/Moscow"
    log_level: str = "INFO"
    stream_max_age: str = "90D"
    """How long a stream keeps events, as RabbitMQ writes it; the log has them for ever."""
    stream_max_bytes: int = 10 * 2**30
    """How large the stream of one service grows."""

    def database_url_of(self, service: str) -> str:
        """Return the URL under which a service's runtime role reaches its schema."""
        try:
            return self.database_urls[service]
        except KeyError:
            raise ConfigurationError(
                f"set SALDO_DATABASE_URL_{service.upper()} to the PostgreSQL URL of the "
                f"runtime role of {service}; `make up` writes it to .saldo/env"
            ) from None

    def derive_key(self, purpose: str) -> bytes:
        """Return the 32-byte key of one purpose, derived from the master secret (HKDF-SHA256)."""
        return _derived(self.secret, purpose)


@lru_cache(maxsize=64)
def _derived(secret: bytes, purpose: str) -> bytes:
    # Kept: each page needs two keys, and deriving them takes longer than using them.
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"saldo/" + purpose.encode())
    return hkdf.derive(secret)


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from ``SALDO_*`` variables.

    Raises ConfigurationError with the name of the variable when one that has no sensible
    default is missing.
    """
    env = os.environ if environ is None else environ
    plain: dict[str, Any] = {
        name: env[f"SALDO_{name.upper()}"]
        for name in (
            "database_url", "url", "gateway_listen", "monitoring_listen", "smtp_url", "mail_from",
            "acquirer", "acquirer_url", "acquirer_user", "acquirer_password", "acquirer_secret",
            "payees", "documents", "timezone", "log_level", "stream_max_age",
        )
        if env.get(f"SALDO_{name.upper()}")
    }  # fmt: skip
    if not _AGE.fullmatch(plain.get("stream_max_age", Settings.stream_max_age)):
        raise ConfigurationError("SALDO_STREAM_MAX_AGE is a number and one of Y M D h m s, as 90D")
    databases = {
        service: env[f"SALDO_DATABASE_URL_{service.upper()}"]
        for service in SERVICES
        if env.get(f"SALDO_DATABASE_URL_{service.upper()}")
    }
    return Settings(
        amqp_url=_required(env, "SALDO_AMQP_URL", "the amqp:// URL of RabbitMQ"),
        secret=_master_secret(env),
        database_urls=databases,
        gateway_head_seconds=_seconds(env, "SALDO_GATEWAY_HEAD_SECONDS"),
        gateway_body_seconds=_seconds(env, "SALDO_GATEWAY_BODY_SECONDS"),
        page_read_seconds=_seconds(env, "SALDO_PAGE_READ_SECONDS", PAGE_READ_SECONDS),
        stream_max_bytes=_stream_bytes(env),
        **plain,
    )


def _required(env: Mapping[str, str], name: str, meaning: str) -> str:
    value = env.get(name, "")
    if not value:
        raise ConfigurationError(f"set {name} to {meaning}; `make up` writes it to .saldo/env")
    return value


def _seconds(env: Mapping[str, str], name: str, default: float = REQUEST_SECONDS) -> float:
    try:
        seconds = float(env.get(name) or default)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise ConfigurationError(f"{name} must be a number of seconds, up to 3600")
    return seconds


def _stream_bytes(env: Mapping[str, str]) -> int:
    text = env.get("SALDO_STREAM_MAX_BYTES") or str(Settings.stream_max_bytes)
    if not text.isdecimal() or int(text) < MIN_STREAM_BYTES:
        raise ConfigurationError(
            f"SALDO_STREAM_MAX_BYTES is a number of bytes, at least {MIN_STREAM_BYTES}"
        )
    return int(text)


def _master_secret(env: Mapping[str, str]) -> bytes:
    text = _required(env, "SALDO_SECRET", "the master secret: at least 64 hexadecimal digits")
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        raise ConfigurationError("SALDO_SECRET must be hexadecimal digits") from None
    if len(secret) < 32:
        raise ConfigurationError("SALDO_SECRET must have at least 64 hexadecimal digits")
    return secret
