"""The restore drill works on its scratch server alone, whatever its operator has in his folders."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.embedded.surroundings import REPOSITORY
from deploy.restore_drill.checks import environment_for
from shared.config import SERVICES, load_settings
from shared.secret_files import FOLDER

RING = f"2026-11-29-aaaaaa:{'a' * 64}\n"
DATA, KEYS = "postgresql://scratch/data", "postgresql://scratch/keys"
RUNS = "runs.example"
OURS = {
    "SALDO_DATABASE_URL",
    "SALDO_KEYS_DATABASE_URL",
    "SALDO_LANG",
    "SALDO_LEDGER_BOOKS",
    "SALDO_STAFF_DATABASE_URL",
}
"""What the drill sets itself."""
NO_ADDRESS = {
    "SALDO_LEDGER_PENALTY_RULES",
    "SALDO_LEDGER_SEAL_OLD_KEYS",
    "SALDO_LEDGER_SEAL_VERIFIER",
    "SALDO_LEDGER_SEAL_VERIFIER_FILE",
    "SALDO_LOG_LEVEL",
    "SALDO_RETENTION",
    "SALDO_ROLE_PREFIX",
    "SALDO_TIMEZONE",
    "SALDO_WORKING_DAYS",
}
"""Settings of an operator that reach a command: files, and what tells no place."""
OF_POSTGRESQL = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGSERVICE", "PGSERVICEFILE", "PGDATABASE")


def named_in_the_product() -> set[str]:
    """Return every variable that the product names, also as of each service and each book."""
    found: set[str] = set()
    for package in ("shared", "services", "gateway", "deploy"):
        for path in (REPOSITORY / package).rglob("*.py"):
            found |= set(re.findall(r"SALDO_[A-Z0-9_]+", path.read_text(encoding="utf-8")))
    bare = {name.rstrip("_") for name in found}
    of = {f"{name}_{one.upper()}" for name in bare for one in (*SERVICES, "ledger_north", "sealer")}
    books = {name.replace("_LEDGER_", "_LEDGER_NORTH_", 1) for name in bare}
    return bare | of | books


def is_secret(name: str) -> bool:
    return re.fullmatch(r"SALDO_SECRET(_[A-Z]+)?(_FILE)?", name) is not None


def test_commands_of_the_drill_know_no_server_that_runs(tmp_path: Path) -> None:
    for name in (
        "SALDO_DATABASE_URL_LEDGER",
        "SALDO_LOGIN_URL_LEDGER",
        "SALDO_STAFF_DATABASE_URL",
        "SALDO_STAFF_KEYS_DATABASE_URL",
        "SALDO_KEYS_DATABASE_URL_LEDGER",
    ):
        (tmp_path / name).write_text(f"postgresql://saldo:x@{RUNS}/saldo")
    (tmp_path / "SALDO_AMQP_URL_LEDGER").write_text(f"amqp://ledger:x@{RUNS}")
    (tmp_path / "SALDO_SECRET_LEDGER").write_text(RING)
    given = {FOLDER: str(tmp_path), "SALDO_AMQP_URL": f"amqp://staff:x@{RUNS}"}
    environment = environment_for(DATA, KEYS, given)
    settings = load_settings(environment)
    assert settings.staff_database_url == DATA
    assert settings.staff_keys_database_url == KEYS
    assert (settings.database_urls, settings.keys_database_urls, settings.amqp_urls) == ({}, {}, {})
    assert settings.staff_amqp_url == ""
    assert settings.keys_of("ledger", "test").first.id == "2026-11-29-aaaaaa"


@pytest.mark.parametrize("log", ["ledger", "ledger_north"])
@pytest.mark.parametrize(
    "variable",
    [
        "SALDO_LOGIN_URL_LEDGER",
        "SALDO_LOGIN_URL_LEDGER_NORTH",
        "SALDO_STAFF_LOGIN_URL_LEDGER",
        "SALDO_STAFF_LOGIN_URL_LEDGER_NORTH",
        "SALDO_DATABASE_URL_LEDGER_NORTH",
    ],
)
def test_a_book_with_a_server_of_its_own_is_read_on_the_scratch_server(
    log: str, variable: str
) -> None:
    given = {"SALDO_LEDGER_BOOKS": "south,north", variable: f"postgresql://saldo:x@{RUNS}/saldo"}
    settings = load_settings(environment_for(DATA, KEYS, given, log))
    assert (settings.staff_url_of(log), settings.owner_url_of(log)) == (DATA, DATA)
    assert settings.books == (() if log == "ledger" else (log,))


def test_no_variable_of_the_product_leads_to_what_runs() -> None:
    """Broker, databases of books, banks, mail, registrar, collector: whatever is named there."""
    names = named_in_the_product() | {"SALDO_MADE_UP_URL", *OF_POSTGRESQL}
    assert {"SALDO_LOGIN_URL_LEDGER_NORTH", "SALDO_SMTP_URL", "SALDO_AMQP_ADMIN_URL"} < names
    given = {name: f"postgresql://saldo:x@{RUNS}/saldo" for name in names if not is_secret(name)}
    environment = environment_for(DATA, KEYS, given)
    left = {name for name, value in environment.items() if RUNS in value}
    assert {name.replace("_NORTH", "") for name in left} == NO_ADDRESS
    assert {name for name in environment if name.startswith("SALDO_")} - left == OURS


def test_settings_of_the_seal_reach_a_command() -> None:
    given = {
        "SALDO_LEDGER_SEAL_VERIFIER_FILE": "/safe/verifiers",
        "SALDO_LEDGER_NORTH_SEAL_VERIFIER_FILE": "/safe/of-north",
        "SALDO_LEDGER_NORTH_WITNESS_DIR": "/witness",
        "SALDO_SECRET_LEDGER_FILE": "/safe/ledger",
        "LANG": "C.UTF-8",
    }
    environment = environment_for(DATA, "", given, "ledger_north")
    assert given.items() - environment.items() == {("SALDO_LEDGER_NORTH_WITNESS_DIR", "/witness")}
    assert environment["SALDO_LEDGER_BOOKS"] == "north"
