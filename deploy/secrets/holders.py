"""Who holds which secret: nobody has one that he does not need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from deploy.embedded.environment import password_of
from deploy.secrets.places import Places
from shared.config import GATEWAY, SEALER, SERVICES

ADMINISTRATOR, OWNER, BACKUP = "saldo", "saldo", "saldo_backup"
SCALER = "keda"

Password = Callable[[str, str], str]
"""Server, user -> password."""

Folders = Mapping[str, Mapping[str, str]]
"""Holder -> name of the file -> content."""


def secrets_of(places: Places, root: str) -> Folders:
    """Return every secret that follows from the root: passwords, alone and in URLs.

    Key rings and certificates do not follow from anything: see `deploy.secrets.__main__`.
    """

    def password(server: str, user: str) -> str:
        return password_of(f"{server}/{user}", root)

    return {
        **_of_processes(places, password),
        **_of_operators(places, password),
        **_of_drill(places, password),
        **_of_servers(password),
    }


def _of_processes(places: Places, password: Password) -> dict[str, dict[str, str]]:
    """Return what services, gateway and sealer sign in with, and who makes their logins."""
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
        **_owners(places, password),
        **_settings("SALDO_DATABASE_URL", data),
        **_settings("SALDO_KEYS_DATABASE_URL", keys),
    }
    folders["broker"] = {
        "SALDO_AMQP_ADMIN_URL": places.admin_url(
            ADMINISTRATOR, password("rabbitmq", ADMINISTRATOR)
        ),
        **_settings("SALDO_AMQP_URL", broker),
    }
    return folders


def _of_operators(places: Places, password: Password) -> dict[str, dict[str, str]]:
    """Return what those have who add staff and subscribers, and who scales servers."""
    administrator, scaler = password("rabbitmq", ADMINISTRATOR), password("rabbitmq", SCALER)
    return {
        # Nobody works with these every day.
        "administrator": {
            **_owners(places, password),
            "SALDO_AMQP_ADMIN_URL": places.admin_url(ADMINISTRATOR, administrator),
            "SALDO_AMQP_URL": places.amqp_url(ADMINISTRATOR, administrator),
        },
        # It looks how long queues are.
        SCALER: {
            "host": f"{places.admin_url(SCALER, scaler)}/",
            "tls": "enable",
            "username": SCALER,
            "password": scaler,
        },
    }


def _of_drill(places: Places, password: Password) -> dict[str, dict[str, str]]:
    """Return with what the restore drill signs in to what it has recovered: as the owner there."""
    if not places.recovered_database:
        return {}
    recovered = replace(
        places,
        database=places.recovered_database,
        keys_database=places.recovered_keys_database,
    )
    return {"drill": _owners(recovered, password)}


def _of_servers(password: Password) -> dict[str, dict[str, str]]:
    """Return what the servers themselves are started with."""
    administrator = password("rabbitmq", ADMINISTRATOR)
    first_user = f"default_user = {ADMINISTRATOR}\ndefault_pass = {administrator}\n"
    databases = {
        server: {
            "username": OWNER,
            "password": password(server, OWNER),
            "superuser": password(server, "postgres"),
            "backup": password(server, BACKUP),
            "pgpass": f"*:5432:*:{BACKUP}:{password(server, BACKUP)}\n",
        }
        for server in ("postgres", "postgres-keys")
    }
    return {
        **databases,
        "rabbitmq": {
            "default_user.conf": first_user,
            "username": ADMINISTRATOR,
            "password": administrator,
        },
    }


def _owners(places: Places, password: Password) -> dict[str, str]:
    return {
        "SALDO_DATABASE_URL": places.database_url(OWNER, password("postgres", OWNER)),
        "SALDO_KEYS_DATABASE_URL": places.keys_url(OWNER, password("postgres-keys", OWNER)),
    }


def _settings(name: str, values: Mapping[str, str]) -> dict[str, str]:
    return {f"{name}_{one.upper()}": value for one, value in values.items()}
