"""The settings of an installation on one machine, as exported by `.saldo/env`."""

from __future__ import annotations

import hmac
import shlex
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from deploy.embedded import books
from deploy.embedded.keys import key_settings
from deploy.embedded.state import StateDir, StateError
from deploy.embedded.surroundings import LOOPBACK
from shared.config import GATEWAY, SEALER, SERVICES

MONITORED = {
    "gateway": "gateway_monitoring",
    "serve": "serve_monitoring",
    "work": "work_monitoring",
    "seal": "seal_monitoring",
}
"""The processes with a monitoring listener, and the names of its ports."""

OPERATOR = "staff.operator"
"""As whom staff verbs sign in on this machine; see `deploy.embedded.staff`."""


_OF_CLUSTERS = (
    "SALDO_RPC_QUEUES", "SALDO_TRUSTED_PROXY",
    *(f"SALDO_MONITORING_URL_{name.upper()}_2" for name in MONITORED),
)  # fmt: skip
"""What only the file of a cluster sets (`deploy.cluster.applications`)."""


def generate_settings(
    state: StateDir, ports: Mapping[str, int], secrets: Mapping[str, str]
) -> dict[str, str]:
    """Return the settings of an installation without overrides."""
    broker = f"amqp://saldo:{secrets['amqp']}@127.0.0.1:{ports['amqp']}/"
    database = f"postgresql://saldo:{secrets['database']}@127.0.0.1:{ports['postgres']}/saldo"
    settings = {
        "SALDO_STATE_DIR": str(state.root),
        "SALDO_URL": f"http://127.0.0.1:{ports['gateway']}",
        "SALDO_GATEWAY_LISTEN": f"127.0.0.1:{ports['gateway']}",
        "SALDO_ACQUIRERS": "main=rbs,kassa=yookassa",
        "SALDO_ACQUIRER_URL": f"http://127.0.0.1:{ports['acquirer']}",
        "SALDO_ACQUIRER_USER": "saldo",
        "SALDO_ACQUIRER_PASSWORD": secrets["acquirer"],
        "SALDO_ACQUIRER_SECRET": secrets["acquirer_callback"],
        "SALDO_ACQUIRER_TITLE": "Учебный банк",
        "SALDO_ACQUIRER_KASSA_URL": f"http://127.0.0.1:{ports['yookassa']}",
        "SALDO_ACQUIRER_KASSA_USER": "saldo",
        "SALDO_ACQUIRER_KASSA_PASSWORD": secrets["acquirer_kassa"],
        "SALDO_ACQUIRER_KASSA_NETWORKS": "127.0.0.0/8",
        "SALDO_ACQUIRER_KASSA_TITLE": "Учебная касса",
        "SALDO_FISCAL": "atol",
        "SALDO_FISCAL_URL": f"http://127.0.0.1:{ports['ofd']}",
        "SALDO_FISCAL_USER": "saldo",
        "SALDO_FISCAL_PASSWORD": secrets["fiscal"],
        "SALDO_FISCAL_GROUP": "demo",
        "SALDO_FISCAL_INN": "6200098765",
        "SALDO_FISCAL_SELLER": "ООО «Примерский расчётный центр»",
        "SALDO_FISCAL_EMAIL": "receipts@saldo.invalid",
        "SALDO_MAIL_BOUNCES": "bounces@saldo.invalid",
        "SALDO_BOUNCES_DIR": str(state.bounces),
        "SALDO_BOUNCES_URL": f"maildir://{state.bounces}",
        "SALDO_MAIL_DIR": str(state.mail),
        "SALDO_MAIL_FROM": "Saldo <no-reply@saldo.invalid>",
        "SALDO_MAILBOX_URL": f"http://127.0.0.1:{ports['mailbox']}",
        "SALDO_SMTP_URL": f"smtp://127.0.0.1:{ports['smtp']}",
        "SALDO_AMQP_URL": broker,
        "SALDO_AMQP_ADMIN_URL": (
            f"http://saldo:{secrets['amqp']}@127.0.0.1:{ports['amqp_management']}"
        ),
        "SALDO_AMQP_METRICS_URL": f"http://127.0.0.1:{ports['amqp_prometheus']}/metrics",
        "SALDO_UPLOADS_DIR": str(state.uploads),
        # A machine for trying out may have little room; the product's own floor is 1 GiB.
        "SALDO_UPLOADS_FREE_BYTES": str(64 * 2**20),
        "SALDO_DATABASE_URL": database,
        "SALDO_TIMEZONE": "Europe/Moscow",
    }
    return (
        settings
        | key_settings(state)
        | monitoring_urls(ports)
        | role_urls(database, secrets["roles"])
        | keys_urls(f"{database}_keys", secrets["roles"])
        | broker_urls(broker, secrets["amqp_users"])
        | staff_urls(broker, database, f"{database}_keys", secrets["staff"])
    )


def monitoring_urls(ports: Mapping[str, int], host: str = LOOPBACK) -> dict[str, str]:
    """Return `SALDO_MONITORING_URL_<PROCESS>`: below each are /metrics, /readyz and /healthz."""
    return {
        f"SALDO_MONITORING_URL_{process.upper()}": f"http://{host}:{ports[name]}"
        for process, name in MONITORED.items()
    }


def apply_overrides(
    settings: Mapping[str, str], overrides: Mapping[str, str], secrets: Mapping[str, str]
) -> dict[str, str]:
    """Return the generated settings with the overrides applied.

    Another owner's URL also changes the URLs of the services' roles, another administrator's those
    of the broker's users: same server, own passwords. An acquirer of the operator's own takes the
    place of both simulated ones: nobody may pay him with money that is none. Raises StateError for
    a broker without the URL of its management API.
    """
    derived: dict[str, str] = {}
    if {"SALDO_ACQUIRER", "SALDO_ACQUIRER_URL"} & overrides.keys():
        derived["SALDO_ACQUIRERS"] = f"main={overrides.get('SALDO_ACQUIRER', 'rbs')}"
        derived["SALDO_ACQUIRER_TITLE"] = ""
    if "SALDO_DATABASE_URL" in overrides:
        derived |= role_urls(overrides["SALDO_DATABASE_URL"], secrets["roles"])
        derived |= keys_urls(keys_url(overrides["SALDO_DATABASE_URL"]), secrets["roles"])
    if "SALDO_KEYS_DATABASE_URL" in overrides:
        derived |= keys_urls(overrides["SALDO_KEYS_DATABASE_URL"], secrets["roles"])
    if "SALDO_AMQP_URL" in overrides:
        if "SALDO_AMQP_ADMIN_URL" not in overrides:
            raise StateError(
                "with SALDO_AMQP_URL, set SALDO_AMQP_ADMIN_URL to the management API of the same "
                "RabbitMQ, as http://user:password@host:15672: each service gets a user of its own"
            )
        derived |= broker_urls(overrides["SALDO_AMQP_URL"], secrets["amqp_users"])
        derived["SALDO_AMQP_METRICS_URL"] = ""
    derived |= staff_urls(
        overrides.get("SALDO_AMQP_URL") or settings["SALDO_AMQP_URL"],
        overrides.get("SALDO_DATABASE_URL") or settings["SALDO_DATABASE_URL"],
        {**settings, **derived, **overrides}["SALDO_KEYS_DATABASE_URL"],
        secrets["staff"],
    )
    return _with_books({**settings, **derived, **overrides}, overrides, secrets)


def _with_books(
    settings: dict[str, str], overrides: Mapping[str, str], secrets: Mapping[str, str]
) -> dict[str, str]:
    """Return the settings with those of the ledger's further books that are not given."""
    state = StateDir(Path(settings["SALDO_STATE_DIR"]))
    made = {
        **books.database_settings(
            settings,
            lambda url, name: _signed_in_as(urlsplit(url), name, secrets["roles"]),
            lambda url, name: _signed_in_as(urlsplit(url), name, secrets["staff"]),
        ),
        **books.broker_settings(
            settings, lambda url, name: _signed_in_as(urlsplit(url), name, secrets["amqp_users"])
        ),
        **books.seal_settings(state, settings),
    }
    return {**settings, **made, **{name: overrides[name] for name in made if name in overrides}}


def broker_urls(administrator_url: str, key: str) -> dict[str, str]:
    """Return `SALDO_AMQP_URL_<PRINCIPAL>` of the services and the gateway.

    `python -m services broker` creates the users from these. The passwords are derived from `key`.
    """
    parts = urlsplit(administrator_url)
    if parts.scheme not in {"amqp", "amqps"} or not parts.hostname:
        raise StateError("SALDO_AMQP_URL must look like amqp://user:password@host/")
    return {
        f"SALDO_AMQP_URL_{name.upper()}": _signed_in_as(parts, name, key)
        for name in (*SERVICES, GATEWAY)
    }


def role_urls(owner_url: str, key: str) -> dict[str, str]:
    """Return `SALDO_DATABASE_URL_<SERVICE>` of services and sealer, derived from the owner's URL.

    The migrator creates the roles from these. The passwords are derived from `key`.
    """
    parts = urlsplit(owner_url)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.hostname:
        raise StateError("SALDO_DATABASE_URL must look like postgresql://owner:password@host/name")
    return {
        f"SALDO_DATABASE_URL_{name.upper()}": _signed_in_as(parts, f"saldo_{name}", key)
        for name in (*SERVICES, SEALER)
    }


def keys_url(owner_url: str) -> str:
    """Return the URL of the database of keys beside another: the same server, its name + _keys."""
    parts = urlsplit(owner_url)
    return urlunsplit(parts._replace(path=f"{parts.path}_keys"))


def keys_urls(owner_url: str, key: str) -> dict[str, str]:
    """Return `SALDO_KEYS_DATABASE_URL` and, of each service, `SALDO_KEYS_DATABASE_URL_<SERVICE>`.

    The services have their roles and passwords of `role_urls`.
    """
    parts = urlsplit(owner_url)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.hostname:
        raise StateError(
            "SALDO_KEYS_DATABASE_URL must look like postgresql://owner:password@host/name"
        )
    return {"SALDO_KEYS_DATABASE_URL": owner_url} | {
        f"SALDO_KEYS_DATABASE_URL_{name.upper()}": _signed_in_as(parts, f"saldo_{name}", key)
        for name in SERVICES
    }


def staff_urls(
    administrator_url: str, owner_url: str, keys_owner_url: str, key: str
) -> dict[str, str]:
    """Return with what the `saldo` command signs in where `.saldo/env` is read: as the operator.

    `deploy.embedded.staff` creates his user and his login from these.
    """
    return {
        f"SALDO_STAFF_{name}_URL": _signed_in_as(urlsplit(url), OPERATOR, key)
        for name, url in (
            ("AMQP", administrator_url),
            ("DATABASE", owner_url),
            ("KEYS_DATABASE", keys_owner_url),
        )
    }


def password_of(user: str, key: str) -> str:
    """Return the password of a user, derived from a secret of the installation."""
    return hmac.new(key.encode(), user.encode(), sha256).hexdigest()


def _signed_in_as(parts: SplitResult, user: str, key: str) -> str:
    """Return a URL with another user, whose password is derived from `key`."""
    address = parts.netloc.rpartition("@")[2]
    password = password_of(user, key)
    return urlunsplit(parts._replace(netloc=f"{quote(user)}:{password}@{address}"))


def overrides_from(environ: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that the operator overrides in the environment.

    A shell that has sourced a `.saldo/env`, also that of a cluster, exports SALDO_STATE_DIR. The
    other variables of that file are then no overrides: they may come from an installation that is
    gone, or from another one.
    """
    sourced = {"SALDO_STATE_DIR"}
    if folder := environ.get("SALDO_STATE_DIR"):
        written = _read_shell(StateDir(Path(folder)).env)
        same = {name for name, value in written.items() if environ.get(name) == value}
        sourced = {*settings, *_OF_CLUSTERS, *same}
    return {
        name: value
        for name, value in environ.items()
        if name.startswith("SALDO_") and not name.startswith("SALDO_TEST_")
        if value and name not in sourced
    }


def _read_shell(file: Path) -> dict[str, str]:
    """Return the settings in a `.saldo/env`; empty where there is none."""
    try:
        words = shlex.split(file.read_text(encoding="utf-8"))
    except OSError:
        return {}
    return dict(word.split("=", 1) for word in words if "=" in word)


def as_shell(settings: Mapping[str, str]) -> str:
    """Return the text of `.saldo/env`."""
    return "".join(f"export {name}={shlex.quote(settings[name])}\n" for name in sorted(settings))
