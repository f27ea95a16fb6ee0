"""Who holds which secret: nobody has one that he does not need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from deploy.embedded.environment import password_of
from deploy.secrets.places import Places
from shared.books import SPLIT, sealer_of, with_books
from shared.config import GATEWAY, SEALER, SERVICES

ADMINISTRATOR, OWNER, BACKUP = "saldo", "saldo", "saldo_backup"
SCALER = "keda"

Password = Callable[[str, str], str]
"""Server, user -> password."""

Folders = Mapping[str, Mapping[str, str]]
"""Holder -> name of the file -> content."""


def secrets_of(places: Places, root: str, books: Sequence[str] = ()) -> Folders:
    """Return every secret that follows from the root: passwords, alone and in URLs.

    ``books`` are the logs of the ledger's further ones, which are in the same database. Key rings
    and certificates do not follow from anything: see `deploy.secrets.__main__`.
    """

    def password(server: str, user: str) -> str:
        return password_of(f"{server}/{user}", root)

    return {
        **_of_processes(places, password, books),
        **_of_operators(places, password),
        **_of_drill(places, password),
        **_of_servers(password),
    }


def holder_of(log: str) -> str:
    """Return the folder of secrets of a service, or of a book: a name without an underscore."""
    return log.replace("_", "-")


def sealer_holder_of(log: str) -> str:
    """Return the folder of secrets of the sealer of a book."""
    return holder_of(sealer_of(log))


def _of_processes(
    places: Places, password: Password, books: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Return what services, gateway and sealers sign in with, and who makes their logins."""
    logs = with_books(SERVICES, books)
    data = {
        name: places.database_url(f"saldo_{name}", password("postgres", f"saldo_{name}"))
        for name in (*logs, SEALER)
    }
    # They all sign in as one: the logs are in one database.
    data |= {sealer_of(log): data[SEALER] for log in books}
    keys = {
        name: places.keys_url(f"saldo_{name}", password("postgres-keys", f"saldo_{name}"))
        for name in logs
    }
    broker = {name: places.amqp_url(name, password("rabbitmq", name)) for name in (*logs, GATEWAY)}
    folders = {
        holder_of(name): {
            **_settings("SALDO_DATABASE_URL", {name: data[name]}),
            **_settings("SALDO_KEYS_DATABASE_URL", {name: keys[name]}),
            **_settings("SALDO_AMQP_URL", {name: broker[name]}),
        }
        for name in logs
    }
    folders[GATEWAY] = _settings("SALDO_AMQP_URL", {GATEWAY: broker[GATEWAY]})
    for log in (SPLIT, *books):
        sealer = sealer_of(log)
        folders[sealer_holder_of(log)] = _settings("SALDO_DATABASE_URL", {sealer: data[sealer]})
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
