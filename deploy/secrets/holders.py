"""Who holds which secret: nobody has one that he does not need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote

from deploy.embedded.environment import password_of
from deploy.secrets.places import Places
from shared.config import GATEWAY, SEALER, SERVICES

ADMINISTRATOR, OWNER, BACKUP = "saldo", "saldo", "saldo_backup"
SCALER = "keda"
OWNERS = ("SALDO_DATABASE_URL", "SALDO_KEYS_DATABASE_URL")

Password = Callable[[str], str]

Folders = Mapping[str, Mapping[str, str]]
"""Holder -> name of the file -> content."""


def secrets_of(places: Places, root: str) -> Folders:
    """Return every secret that follows from the root: passwords, alone and in URLs.

    Key rings and certificates do not follow from anything: see `deploy.secrets.folder`.
    """

    def password(server: str, user: str) -> str:
        return password_of(f"{server}/{user}", root)

    data = {
        name: places.database_url(f"saldo_{name}", password("postgres", f"saldo_{name}"))
        for name in (*SERVICES, SEALER)
    }
    keys = {
        name: places.keys_url(f"saldo_{name}", password("postgres-keys", f"saldo_{name}"))
        for name in SERVICES
    }
    broker = {
        name: places.amqp_url(name, password("rabbitmq", name)) for name in (*SERVICES, GATEWAY)
    }
    folders = {
        name: {
            **_settings("SALDO_DATABASE_URL", {name: data[name]}),
            **_settings("SALDO_KEYS_DATABASE_URL", {name: keys[name]}),
            **_settings("SALDO_AMQP_URL", {name: broker[name]}),
        }
        for name in SERVICES
    }
    folders[GATEWAY] = _settings("SALDO_AMQP_URL", {GATEWAY: broker[GATEWAY]})
    folders[SEALER] = _settings("SALDO_DATABASE_URL", {SEALER: data[SEALER]})
    folders["migrate"] = {
        "SALDO_DATABASE_URL": places.database_url(OWNER, password("postgres", OWNER)),
        "SALDO_KEYS_DATABASE_URL": places.keys_url(OWNER, password("postgres-keys", OWNER)),
        **_settings("SALDO_DATABASE_URL", data),
        **_settings("SALDO_KEYS_DATABASE_URL", keys),
    }
    administrator = password("rabbitmq", ADMINISTRATOR)
    folders["broker"] = {
        "SALDO_AMQP_ADMIN_URL": places.admin_url(ADMINISTRATOR, administrator),
        **_settings("SALDO_AMQP_URL", broker),
    }
    folders["rabbitmq"] = {
        "default_user.conf": f"default_user = {ADMINISTRATOR}\ndefault_pass = {administrator}\n",
        "username": ADMINISTRATOR,
        "password": administrator,
    }
    # Who adds staff and subscribers; nobody works with these every day.
    folders["administrator"] = {
        **{name: folders["migrate"][name] for name in OWNERS},
        "SALDO_AMQP_ADMIN_URL": folders["broker"]["SALDO_AMQP_ADMIN_URL"],
        "SALDO_AMQP_URL": places.amqp_url(ADMINISTRATOR, administrator),
    }
    # Who looks how long queues are, and scales servers by it.
    scaler = password("rabbitmq", SCALER)
    folders[SCALER] = {
        "host": f"{places.admin_url(SCALER, scaler)}/",
        "tls": "enable",
        "username": SCALER,
        "password": scaler,
    }
    for server in ("postgres", "postgres-keys"):
        folders[server] = {
            "username": OWNER,
            "password": password(server, OWNER),
            "superuser": password(server, "postgres"),
            "backup": password(server, BACKUP),
            # For pg_basebackup, which connects to the server by its name.
            "pgpass": f"*:5432:*:{BACKUP}:{quote(password(server, BACKUP))}\n",
        }
    return folders


def _settings(name: str, values: Mapping[str, str]) -> dict[str, str]:
    return {f"{name}_{one.upper()}": value for one, value in values.items()}
