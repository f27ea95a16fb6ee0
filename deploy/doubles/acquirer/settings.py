"""The settings of the simulated bank: addresses, credentials, its folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from deploy.doubles.running import DoubleError

DEFAULT_PORT = 18090


class SettingsError(DoubleError):
    """A variable is missing or invalid; the text names it and the remedy."""


@dataclass(frozen=True)
class BankSettings:
    """`url` is the base of API and pages, `callback_url` the merchant's address for callbacks.

    Password and callback key are kept out of the repr.
    """

    url: str
    user: str
    password: str = field(repr=False)
    secret: str = field(repr=False)
    callback_url: str
    state_dir: Path
    signs_by_own_key: bool = False
    """Callbacks are signed by the bank's RSA key, in `state_dir`, instead of by `secret`."""
    log_level: str = "INFO"

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or DEFAULT_PORT

    @property
    def prefix(self) -> str:
        """The path of the base URL: "", or one like "/payment"."""
        return urlsplit(self.url).path.rstrip("/")


def load_bank_settings(environ: Mapping[str, str] | None = None) -> BankSettings:
    """Read `SALDO_*`. Raises `SettingsError` for a missing secret or an address without a host."""
    env = os.environ if environ is None else environ
    url = env.get("SALDO_ACQUIRER_URL") or f"http://127.0.0.1:{DEFAULT_PORT}"
    if urlsplit(url).scheme != "http" or not urlsplit(url).hostname:
        raise SettingsError(
            "SALDO_ACQUIRER_URL must look like http://127.0.0.1:18090: the simulated acquirer "
            "listens there, without TLS."
        )
    merchant = env.get("SALDO_URL") or "http://127.0.0.1:18080"
    return BankSettings(
        url=url.rstrip("/"),
        user=env.get("SALDO_ACQUIRER_USER") or "saldo",
        password=_required(env, "SALDO_ACQUIRER_PASSWORD"),
        secret=_required(env, "SALDO_ACQUIRER_SECRET"),
        callback_url=f"{merchant.rstrip('/')}/api/v1/acquirer/callback",
        state_dir=Path(env.get("SALDO_STATE_DIR") or ".saldo") / "acquirer",
        signs_by_own_key=_signature(env) == "rsa",
        log_level=env.get("SALDO_LOG_LEVEL") or "INFO",
    )


def _signature(env: Mapping[str, str]) -> str:
    value = env.get("SALDO_ACQUIRER_SIGNATURE") or "hmac"
    if value not in {"hmac", "rsa"}:
        raise SettingsError("SALDO_ACQUIRER_SIGNATURE is hmac (the default) or rsa.")
    return value


def _required(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "")
    if not value:
        raise SettingsError(f"Set {name} to the value that the payments service has.")
    return value
