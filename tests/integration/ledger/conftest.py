"""Fixtures: a small company, built once for the run and copied; a sealed log, and its sealer."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.ledger.cli import app
from services.ledger.seal import process
from shared.config import Settings
from tests.conftest import Database
from tests.integration.ledger.sealed_ledger import KEYS, SEED, SealedLedger, build_sealed_ledger
from tests.integration.ledger.sealer_process import Command, Sealer
from tests.integration.ledger.small_company import (
    BuiltCompany,
    SmallCompany,
    Template,
    built_small_company,
    copied_company,
)


@pytest.fixture(scope="session")
def built_company(base_settings: Settings, template: Template) -> Iterator[BuiltCompany]:
    """A company that no test opens: the others are copies of its database."""
    with built_small_company(base_settings, template) as built:
        yield built


@pytest.fixture(scope="module")
def shared_company(base_settings: Settings, built_company: BuiltCompany) -> Iterator[SmallCompany]:
    """A company for the tests of a module that change nothing."""
    with copied_company(base_settings, built_company) as copy:
        yield copy


@pytest.fixture
def company(base_settings: Settings, built_company: BuiltCompany) -> Iterator[SmallCompany]:
    """A company of the test's own."""
    with copied_company(base_settings, built_company) as copy:
        yield copy


@pytest.fixture
def ledger(database: Database) -> SealedLedger:
    """A sealed log of the test's own."""
    return build_sealed_ledger(database)


@pytest.fixture(scope="module")
def shared_ledger(module_database: Database) -> SealedLedger:
    """A sealed log for the tests of a module that change nothing."""
    return build_sealed_ledger(module_database)


@pytest.fixture
def sealer(ledger: SealedLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sealer:
    """A sealer with the keys that have signed the log of the test; nobody runs it yet."""
    monkeypatch.setattr(process, "SEAL_SECONDS", 0.2)
    monkeypatch.setattr(process, "WITNESS_SECONDS", 0.05)
    made = Sealer(ledger, tmp_path)
    made.kept.mkdir()
    made.key.write_text(base64.b64encode(SEED).decode(), encoding="ascii")
    (tmp_path / "verifiers").write_text(f"{KEYS.signer.verifier}\n", encoding="ascii")
    return made


@pytest.fixture
def command(sealer: Sealer, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command of the seal as an auditor does: no secret, and no private key."""
    settings = sealer.ledger.database.settings
    for name, value in sealer.environ.items():
        if name != "SALDO_LEDGER_SEAL_KEY":
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("SALDO_DATABASE_URL_LEDGER", settings.database_url_of("ledger"))
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])
