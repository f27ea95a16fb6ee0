"""The settings of the simulated registrar: its address, the credentials, its folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from deploy.doubles.running import DoubleError


class SettingsError(DoubleError):
    """A variable is missing or invalid; the text names it."""


@dataclass(frozen=True)
class RegistrarSettings:
    """`url` is the base of API and pages."""

    url: str
    user: str
    password: str = field(repr=False)
    group: str
    inn: str
    state_dir: Path
    timezone: str = "Europe/Moscow"
    log_level: str = "INFO"

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 80


def load_registrar_settings(environ: Mapping[str, str] | None = None) -> RegistrarSettings:
    """Read `SALDO_*`. Raises `SettingsError`."""
    env = os.environ if environ is None else environ
    url = _required(env, "SALDO_FISCAL_URL")
    if urlsplit(url).scheme != "http" or not urlsplit(url).hostname:
        raise SettingsError("SALDO_FISCAL_URL must look like http://127.0.0.1:18095")
    return RegistrarSettings(
        url=url.rstrip("/"),
        user=_required(env, "SALDO_FISCAL_USER"),
        password=_required(env, "SALDO_FISCAL_PASSWORD"),
        group=_required(env, "SALDO_FISCAL_GROUP"),
        inn=_required(env, "SALDO_FISCAL_INN"),
        state_dir=Path(env.get("SALDO_STATE_DIR") or ".saldo") / "ofd",
        timezone=env.get("SALDO_TIMEZONE") or "Europe/Moscow",
        log_level=env.get("SALDO_LOG_LEVEL") or "INFO",
    )


def _required(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "")
    if not value:
        raise SettingsError(f"Set {name} to the value that the payments service has.")
    return value
