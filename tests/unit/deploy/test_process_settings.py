"""No process has a credential that it does not need."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.environment import generate_settings
from deploy.embedded.keys import make_keys
from deploy.embedded.process_settings import SETTINGS, settings_of
from deploy.embedded.processes import process_specs
from deploy.embedded.state import DEFAULT_PORTS, StateDir
from shared.config import GATEWAY, SERVICES, load_settings

DATABASES = {f"SALDO_DATABASE_URL_{service.upper()}" for service in SERVICES}
KEYS_DATABASES = {f"SALDO_KEYS_DATABASE_URL_{service.upper()}" for service in SERVICES}
BROKER = {f"SALDO_AMQP_URL_{service.upper()}" for service in SERVICES}
ACQUIRER = {"SALDO_ACQUIRER_PASSWORD", "SALDO_ACQUIRER_SECRET"}
KASSA = {"SALDO_ACQUIRER_KASSA_PASSWORD"}

KEYS = {f"SALDO_SECRET_{service.upper()}_FILE" for service in SERVICES}
ADMINISTRATORS = {"SALDO_AMQP_ADMIN_URL", "SALDO_AMQP_URL", "SALDO_DATABASE_URL"}

CREDENTIALS = {
    "migrate": {
        "SALDO_DATABASE_URL",
        "SALDO_DATABASE_URL_SEALER",
        "SALDO_KEYS_DATABASE_URL",
        *DATABASES,
        *KEYS_DATABASES,
    },
    "broker": {"SALDO_AMQP_ADMIN_URL", "SALDO_AMQP_URL_GATEWAY", *BROKER},
    # The operator's terminal gets the keys of what he does beside the services.
    "staff": {
        *ADMINISTRATORS,
        *DATABASES,
        "SALDO_KEYS_DATABASE_URL",
        "SALDO_SECRET_ACCOUNTS_FILE",
        "SALDO_SECRET_LEDGER_FILE",
        "SALDO_SECRET_PAYMENTS_FILE",
    },
    "subscribers": {*ADMINISTRATORS, *DATABASES},
    "serve": {*ACQUIRER, *KASSA, *BROKER, *DATABASES, *KEYS_DATABASES, *KEYS},
    "work": {
        *(*ACQUIRER, *KASSA, *BROKER, *DATABASES, *KEYS_DATABASES, *KEYS),
        "SALDO_FISCAL_PASSWORD",
    },
    "seal": {"SALDO_DATABASE_URL_SEALER", "SALDO_LEDGER_SEAL_KEY"},
    "gateway": {"SALDO_AMQP_URL_GATEWAY", "SALDO_SECRET_GATEWAY_FILE"},
    "acquirer": ACQUIRER,
    "yookassa": KASSA,
    "ofd": {"SALDO_FISCAL_PASSWORD"},
    "mailcatcher": set(),
}
"""What each process may have of the installation's secrets, those in files included."""

OF_STAFF = {
    "SALDO_STAFF_AMQP_URL",
    "SALDO_STAFF_DATABASE_URL",
    "SALDO_STAFF_KEYS_DATABASE_URL",
    "SALDO_AMQP_URL",
}
"""What terminals have, and no process."""


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path / ".saldo")
    made.create()
    return made


def credentials_in(environ: dict[str, str], state: StateDir) -> set[str]:
    """Return the variables with a secret, a password that is derived from one, or a key's file."""
    secrets = [secret for secret in state.secrets().values() if secret]
    key_files = {*map(str, map(state.key_ring, (*SERVICES, GATEWAY))), str(state.seal / "key")}
    return {
        name
        for name, value in environ.items()
        if any(secret in value for secret in secrets)
        or value in key_files
        or re.search(r"://[^/@]+:[^/@]+@", value)
    }


def test_a_process_has_the_credentials_that_it_needs_and_no_other(state: StateDir) -> None:
    settings = generate_settings(state, DEFAULT_PORTS, state.secrets())
    given = {"SALDO_DATABASE_URL": "", "SALDO_AMQP_URL": ""}
    specs = process_specs(state, DEFAULT_PORTS, state.secrets(), settings, given)
    found = {spec.name: credentials_in(spec.environ, state) for spec in specs}
    assert found == CREDENTIALS


def test_nothing_but_listed_settings_reaches_a_process(state: StateDir) -> None:
    settings = generate_settings(state, DEFAULT_PORTS, state.secrets())
    more = {**settings, "SALDO_PAYEES": "/etc/payees.yaml", "SALDO_NOT_LISTED": "x"}
    assert settings_of("gateway", more)["SALDO_PAYEES"] == "/etc/payees.yaml"
    for process in SETTINGS:
        assert "SALDO_NOT_LISTED" not in settings_of(process, more)
        has_payees = "SALDO_PAYEES" in settings_of(process, more)
        assert has_payees == (process in {"gateway", "staff"})


def test_each_acquirer_is_known_where_it_is_needed(state: StateDir) -> None:
    """Also those that an operator names himself."""
    named = {
        "SALDO_ACQUIRERS": "main=rbs,kassa=yookassa,spare=rbs",
        "SALDO_ACQUIRER_SPARE_URL": "https://spare.example",
        "SALDO_ACQUIRER_SPARE_PAGES": "https://pay.spare.example",
        "SALDO_ACQUIRER_SPARE_PASSWORD": "spare-password",
    }
    make_keys(state, "")
    settings = {**generate_settings(state, DEFAULT_PORTS, state.secrets()), **named}
    for process in SETTINGS:
        given = settings_of(process, settings)
        assert ("SALDO_ACQUIRER_SPARE_PASSWORD" in given) == (process in {"serve", "work"})
        if process in {"serve", "work", "gateway"}:
            acquirers = load_settings(given).acquirers
            assert [one.name for one in acquirers] == ["main", "kassa", "spare"]
            assert acquirers[2].sites == ("https://pay.spare.example",)
    assert not load_settings(settings_of("gateway", settings)).acquirers[1].password


class Asked(dict[str, str]):
    """An environment without variables that remembers which were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return default


def test_every_setting_that_is_read_reaches_a_process() -> None:
    """One that is added to the settings, and not to the table, would have no effect."""
    environ = Asked()
    load_settings(environ)
    listed = {name for names in SETTINGS.values() for name in names}
    # Each process that answers its supervisor gets this one besides.
    assert environ.names - listed - OF_STAFF == {"SALDO_MONITORING_LISTEN"}
