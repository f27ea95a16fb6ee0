"""Who holds which secret: nobody has one that he does not need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from deploy.embedded.environment import password_of
from deploy.secrets.places import Places
from shared.books import SPLIT, book_of, sealer_of, with_books
from shared.config import GATEWAY, SEALER, SERVICES

ADMINISTRATOR, OWNER, BACKUP = "saldo", "saldo", "saldo_backup"
SCALER = "keda"
NEXT = ("SALDO_NEXT_LOGIN_URL", "SALDO_NEXT_DATABASE_URL", "SALDO_NEXT_DATABASE_URL_SEALER")
"""Where a book moves to: as its owner, as its runtime role, as its sealer."""

Password = Callable[[str, str], str]
"""Server, user -> password."""

Folders = Mapping[str, Mapping[str, str]]
"""Holder -> name of the file -> content."""


@dataclass(frozen=True)
class BookServer:
    """A server of a book's own, and whether the book has moved there already."""

    log: str
    places: Places
    has_moved: bool

    @property
    def holder(self) -> str:
        """Return the folder of secrets of the server."""
        return f"postgres-{book_of(self.log)}"

    def url(self, user: str, password: Password) -> str:
        """Return the URL of its database, for a user."""
        return self.places.database_url(user, password(self.holder, user))


def secrets_of(
    places: Places, root: str, books: Sequence[str] = (), servers: Sequence[BookServer] = ()
) -> Folders:
    """Return every secret that follows from the root: passwords, alone and in URLs.

    ``books`` are the logs of the ledger's further ones, which are in the same database but for
    those that have moved to ``servers``. Key rings and certificates do not follow from anything:
    see `deploy.secrets.__main__`.
    """

    def password(server: str, user: str) -> str:
        return password_of(f"{server}/{user}", root)

    return {
        **_of_processes(places, password, books, servers),
        **_of_operators(places, password, servers),
        **_of_drill(places, password),
        **_of_servers(password, servers),
    }


def holder_of(log: str) -> str:
    """Return the folder of secrets of a service, or of a book: a name without an underscore."""
    return log.replace("_", "-")


def sealer_holder_of(log: str) -> str:
    """Return the folder of secrets of the sealer of a book."""
    return holder_of(sealer_of(log))


def _of_processes(
    places: Places, password: Password, books: Sequence[str], servers: Sequence[BookServer]
) -> dict[str, dict[str, str]]:
    """Return what services, gateway and sealers sign in with, and who makes their logins."""
    logs = with_books(SERVICES, books)
    data = {
        name: places.database_url(f"saldo_{name}", password("postgres", f"saldo_{name}"))
        for name in (*logs, SEALER)
    }
    # They all sign in as one where the logs are in one database.
    data |= {sealer_of(log): data[SEALER] for log in books}
    for server in _moved_to(servers):
        data[server.log] = server.url(f"saldo_{server.log}", password)
        data[sealer_of(server.log)] = server.url(f"saldo_{SEALER}", password)
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
        **_logins(servers, password),
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


def _of_operators(
    places: Places, password: Password, servers: Sequence[BookServer]
) -> dict[str, dict[str, str]]:
    """Return what those have who add staff and subscribers, and who scales servers."""
    administrator, scaler = password("rabbitmq", ADMINISTRATOR), password("rabbitmq", SCALER)
    return {
        # Nobody works with these every day.
        "administrator": {
            **_owners(places, password),
            **_logins(servers, password),
            **_next(servers, password),
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


def _of_servers(password: Password, servers: Sequence[BookServer]) -> dict[str, dict[str, str]]:
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
        for server in ("postgres", "postgres-keys", *(one.holder for one in servers))
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


def _moved_to(servers: Sequence[BookServer]) -> list[BookServer]:
    return [one for one in servers if one.has_moved]


def _logins(servers: Sequence[BookServer], password: Password) -> dict[str, str]:
    """Return where the owner reaches the books that have moved."""
    logins = {one.log: one.url(OWNER, password) for one in _moved_to(servers)}
    return _settings("SALDO_LOGIN_URL", logins)


def _next(servers: Sequence[BookServer], password: Password) -> dict[str, str]:
    """Return where `saldo ledger move-book` moves a book that has not moved yet."""
    found: dict[str, str] = {}
    for one in servers:
        if not one.has_moved:
            users = (OWNER, f"saldo_{one.log}", f"saldo_{SEALER}")
            found |= zip(NEXT, (one.url(user, password) for user in users), strict=True)
    return found


def _settings(name: str, values: Mapping[str, str]) -> dict[str, str]:
    return {f"{name}_{one.upper()}": value for one, value in values.items()}
