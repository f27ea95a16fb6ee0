"""The further books of the ledger in an installation on one machine."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deploy.embedded import backup
from deploy.embedded.books import make_seals
from deploy.embedded.environment import apply_overrides, generate_settings
from deploy.embedded.keys import make_keys
from deploy.embedded.plan import ProcessSpec
from deploy.embedded.processes import process_specs
from deploy.embedded.state import DEFAULT_PORTS, StateDir
from services.ledger.seal.keys import environ_of, seal_keys, verifier_keys
from shared.config import load_settings

NORTH = {"SALDO_LEDGER_BOOKS": "north"}
ELSEWHERE = NORTH | {"SALDO_LOGIN_URL_LEDGER_NORTH": "postgresql://owner:secret@db2:5432/north"}


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path / ".saldo")
    made.create()
    return made


def settings_with(state: StateDir, overrides: dict[str, str]) -> dict[str, str]:
    make_keys(state, "")
    generated = generate_settings(state, DEFAULT_PORTS, state.secrets())
    return apply_overrides(generated, overrides, state.secrets())


def specs_with(state: StateDir, overrides: dict[str, str]) -> dict[str, ProcessSpec]:
    settings = settings_with(state, overrides)
    make_keys(state, "")
    make_seals(state, settings)
    ports = dict(DEFAULT_PORTS)
    found = process_specs(state, ports, state.secrets(), settings, overrides)
    return {spec.name: spec for spec in found}


def test_without_books_nothing_is_said_of_them(state: StateDir) -> None:
    assert not [name for name in settings_with(state, {}) if "BOOK" in name]
    assert "seal_north" not in specs_with(state, {})


def test_a_book_has_a_role_a_user_and_a_seal_of_its_own(state: StateDir) -> None:
    settings = load_settings(settings_with(state, NORTH))
    assert settings.books == ("ledger_north",)
    own = urlsplit(settings.database_url_of("ledger_north"))
    assert (own.username, own.path) == ("saldo_ledger_north", "/saldo")
    assert own.password != urlsplit(settings.database_url_of("ledger")).password
    assert settings.amqp_url_of("ledger_north").startswith("amqp://ledger_north:")
    assert settings.keys_database_url_of("ledger_north").endswith("/saldo_keys")


def test_a_book_in_another_database_is_reached_there_by_everybody(state: StateDir) -> None:
    settings = load_settings(settings_with(state, ELSEWHERE))
    for url, user in (
        (settings.database_url_of("ledger_north"), "saldo_ledger_north"),
        (settings.sealer_url_of("ledger_north"), "saldo_sealer"),
        (settings.staff_url_of("ledger_north"), "staff.operator"),
        (settings.owner_url_of("ledger_north"), "owner"),
    ):
        parts = urlsplit(url)
        assert (parts.username, parts.hostname, parts.path) == (user, "db2", "/north")
    assert urlsplit(settings.sealer_url_of("ledger")).hostname == "127.0.0.1"


def test_the_processes_serve_and_seal_the_books(state: StateDir) -> None:
    specs = specs_with(state, NORTH)
    for name in ("serve", "work"):
        assert "ledger_north" in specs[name].argv
        ready = specs[name].ready
        assert ready is not None
        queue = "rpc-ledger_north" if name == "serve" else "payments.from.ledger_north"
        assert queue in ready.queues
    sealer = specs["seal_north"]
    assert sealer.argv[-3:] == ("services", "seal", "ledger_north")
    assert not sealer.once
    keys = seal_keys(environ_of("ledger_north", sealer.environ))
    assert keys.origin.endswith("/north")
    everybody = environ_of("ledger_north", specs["serve"].environ)
    assert verifier_keys(everybody) == (keys.signer.verifier,)


def test_no_process_has_more_of_a_book_than_it_needs(state: StateDir) -> None:
    specs = specs_with(state, ELSEWHERE)
    names = {
        name: {
            variable
            for variable in spec.environ
            if "NORTH" in variable and "VERIFIER" not in variable and "WITNESS" not in variable
        }
        for name, spec in specs.items()
    }
    databases = {"SALDO_DATABASE_URL_LEDGER_NORTH", "SALDO_KEYS_DATABASE_URL_LEDGER_NORTH"}
    login = "SALDO_LOGIN_URL_LEDGER_NORTH"
    wanted: dict[str, set[str]] = {
        "migrate": {*databases, login, "SALDO_DATABASE_URL_SEALER_NORTH"},
        "broker": {"SALDO_AMQP_URL_LEDGER_NORTH"},
        "staff": {
            "SALDO_DATABASE_URL_LEDGER_NORTH",
            login,
            "SALDO_STAFF_LOGIN_URL_LEDGER_NORTH",
        },
        "subscribers": {"SALDO_DATABASE_URL_LEDGER_NORTH"},
        "serve": {*databases, "SALDO_AMQP_URL_LEDGER_NORTH"},
        "work": {*databases, "SALDO_AMQP_URL_LEDGER_NORTH"},
        "seal_north": {"SALDO_DATABASE_URL_SEALER_NORTH", "SALDO_LEDGER_NORTH_SEAL_KEY"},
    }
    assert {name: found for name, found in names.items() if found} == wanted
    assert specs["gateway"].environ["SALDO_LEDGER_BOOKS"] == "north"


@pytest.mark.parametrize(
    ("overrides", "folders"),
    [
        ({}, ["data", "keys"]),
        (NORTH, ["data", "keys"]),
        (ELSEWHERE, ["data", "keys", "ledger_north"]),
    ],
)
def test_a_backup_has_each_database_of_a_book(
    state: StateDir,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    overrides: dict[str, str],
    folders: list[str],
) -> None:
    dumped = []

    def dump(program: str, url: str, *arguments: str) -> None:
        dumped.append(urlsplit(url).path)
        Path(arguments[-1].removeprefix("--file=")).touch()

    monkeypatch.setattr(backup, "_run", dump)
    made = backup.back_up(settings_with(state, overrides), tmp_path / "backup")
    assert [file.parent.name for file in made] == folders
    assert dumped == ["/saldo", "/saldo_keys", "/north"][: len(folders)]
