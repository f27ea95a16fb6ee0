"""No process has a credential that it does not need."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.environment import generate_settings
from deploy.embedded.process_settings import SETTINGS, settings_of
from deploy.embedded.processes import process_specs
from deploy.embedded.state import DEFAULT_PORTS, StateDir
from shared.config import SERVICES, load_settings

DATABASES = {f"SALDO_DATABASE_URL_{service.upper()}" for service in SERVICES}
BROKER = {f"SALDO_AMQP_URL_{service.upper()}" for service in SERVICES}
ACQUIRER = {"SALDO_ACQUIRER_PASSWORD", "SALDO_ACQUIRER_SECRET"}

CREDENTIALS = {
    "migrate": {"SALDO_DATABASE_URL", *DATABASES},
    "broker": {"SALDO_AMQP_ADMIN_URL", "SALDO_AMQP_URL_GATEWAY", *BROKER},
    "serve": {"SALDO_SECRET", *ACQUIRER, *BROKER, *DATABASES},
    "work": {"SALDO_SECRET", *ACQUIRER, *BROKER, *DATABASES},
    "gateway": {"SALDO_SECRET", "SALDO_AMQP_URL_GATEWAY"},
    "acquirer": ACQUIRER,
    "mailcatcher": set(),
}
"""What each process may have of the installation's secrets."""

OF_STAFF = {"SALDO_STAFF_AMQP_URL", "SALDO_STAFF_DATABASE_URL", "SALDO_AMQP_URL"}
"""What terminals have, and no process."""


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path / ".saldo")
    made.create()
    return made


def credentials_in(environ: dict[str, str], state: StateDir) -> set[str]:
    """Return the variables with a secret, or a password that is derived from one."""
    secrets = state.secrets().values()
    return {
        name
        for name, value in environ.items()
        if any(secret in value for secret in secrets) or re.search(r"://[^/@]+:[^/@]+@", value)
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
        assert ("SALDO_PAYEES" in settings_of(process, more)) == (process == "gateway")


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
