"""The environment of one of the staff: what his terminal needs, and nothing that is not his."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from services.staff_logins import login_of, needs_login
from shared.bus.permissions import CALLING_ROLES
from shared.bus.principals import Principal
from shared.config import ConfigurationError, Settings

_EVERYBODY = (
    "SALDO_TIMEZONE",
    "SALDO_ROLE_PREFIX",
    "SALDO_LEDGER_ACCRUALS",
    "SALDO_LEDGER_BOOKS",
    "SALDO_LEDGER_SEAL_VERIFIER",
    "SALDO_LEDGER_SEAL_VERIFIER_FILE",
    "SALDO_LEDGER_SEAL_OLD_KEYS",
)
_OPERATOR = (
    "SALDO_SECRET_LEDGER",
    "SALDO_SECRET_LEDGER_FILE",
    "SALDO_SECRET_ACCOUNTS",
    "SALDO_SECRET_ACCOUNTS_FILE",
    "SALDO_SECRET_PAYMENTS",
    "SALDO_SECRET_PAYMENTS_FILE",
    "SALDO_PAYEES",
    "SALDO_PAYMENTS_FIRST_DAY",
    "SALDO_PAYMENTS_REGISTER_LAYOUT",
    "SALDO_PAYMENTS_SETTLEMENT_ACCOUNTS",
    "SALDO_URL",
)
"""An operator's commands are fingerprinted, contracts sealed, and payers of statements told apart,
with the keys of the service."""


def _of_books(settings: Settings) -> list[str]:
    """Return the variables of the keys by which the seals of further books are verified."""
    names = ("VERIFIER", "VERIFIER_FILE", "OLD_KEYS")
    return [f"SALDO_{log.upper()}_SEAL_{name}" for log in settings.books for name in names]


def terminal_environment(
    settings: Settings,
    environ: Mapping[str, str],
    name: str,
    roles: Collection[str],
    password: str,
) -> dict[str, str]:
    """Return the variables of the terminal of one of the staff, taken from an administrator's."""
    copied = (*_EVERYBODY, *_of_books(settings), *(_OPERATOR if "operator" in roles else ()))
    found = {variable: environ[variable] for variable in copied if environ.get(variable)}
    if not CALLING_ROLES.isdisjoint(roles):
        if not settings.amqp_url:
            raise ConfigurationError("set SALDO_AMQP_URL to the amqp:// URL of RabbitMQ")
        user = Principal("staff", name).user
        found["SALDO_AMQP_URL"] = signed_in(settings.amqp_url, user, password)
    if needs_login(roles):
        found["SALDO_DATABASE_URL"] = signed_in(settings.database_url, login_of(name), password)
        for log, url in settings.login_urls.items():
            variable = f"SALDO_LOGIN_URL_{log.upper()}"
            found[variable] = signed_in(url, login_of(name), password)
    if "operator" in roles and settings.keys_database_url:
        found["SALDO_KEYS_DATABASE_URL"] = signed_in(
            settings.keys_database_url, login_of(name), password
        )
    return found


def as_shell(variables: Mapping[str, str]) -> str:
    """Return variables as a file to source."""
    return "".join(f"export {name}={shlex.quote(variables[name])}\n" for name in sorted(variables))


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically; only its owner may read it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def signed_in(url: str, user: str, password: str) -> str:
    """Return a URL with another user."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user)}:{quote(password)}@{address}"))
