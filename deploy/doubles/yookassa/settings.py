"""The settings of the simulated YooKassa: addresses, the shop's credentials, its folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from deploy.doubles.running import DoubleError

DEFAULT_PORT = 18091


class SettingsError(DoubleError):
    """A variable is missing or invalid; the text names it and the remedy."""


@dataclass(frozen=True)
class ShopSettings:
    """`url` is the base of API and pages, `callback_url` the shop's address for notifications."""

    url: str
    shop_id: str
    secret_key: str = field(repr=False)
    callback_url: str
    state_dir: Path
    log_level: str = "INFO"

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or DEFAULT_PORT

    @property
    def prefix(self) -> str:
        """The path of the base URL."""
        return urlsplit(self.url).path.rstrip("/")


def load_shop_settings(environ: Mapping[str, str] | None = None) -> ShopSettings:
    """Read `SALDO_*`: the acquirer that an installation calls `kassa`.

    Raises `SettingsError` for a missing secret or an address without a host.
    """
    env = os.environ if environ is None else environ
    url = env.get("SALDO_ACQUIRER_KASSA_URL") or f"http://127.0.0.1:{DEFAULT_PORT}"
    if urlsplit(url).scheme != "http" or not urlsplit(url).hostname:
        raise SettingsError(
            "SALDO_ACQUIRER_KASSA_URL must look like http://127.0.0.1:18091: the simulated "
            "YooKassa listens there, without TLS."
        )
    secret_key = env.get("SALDO_ACQUIRER_KASSA_PASSWORD", "")
    if not secret_key:
        raise SettingsError(
            "Set SALDO_ACQUIRER_KASSA_PASSWORD to the value that the payments service has."
        )
    merchant = env.get("SALDO_URL") or "http://127.0.0.1:18080"
    return ShopSettings(
        url=url.rstrip("/"),
        shop_id=env.get("SALDO_ACQUIRER_KASSA_USER") or "saldo",
        secret_key=secret_key,
        callback_url=f"{merchant.rstrip('/')}/api/v1/acquirer/kassa/callback",
        state_dir=Path(env.get("SALDO_STATE_DIR") or ".saldo") / "yookassa",
        log_level=env.get("SALDO_LOG_LEVEL") or "INFO",
    )
