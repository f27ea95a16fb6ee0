"""``migrate`` where a book has moved: the others are migrated, and what is to be set is said."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from services import __main__ as processes
from services import migrate
from shared.eventstore.migration_steps import SchemaMovedError

NORTH = "ledger_north"


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALDO_LEDGER_BOOKS", "north")
    for name in ("", "_KEYS"):
        monkeypatch.setenv(f"SALDO{name}_DATABASE_URL", f"postgresql://owner@data{name}/saldo")
        for service in ("identity", NORTH, "payments"):
            url = f"postgresql://saldo_{service}@data{name}/saldo"
            monkeypatch.setenv(f"SALDO{name}_DATABASE_URL_{service.upper()}", url)


@pytest.fixture
def migrated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the services whose schema is migrated; that of the book has moved away."""
    done: list[str] = []

    def one(_url: str, name: str, *_: Any, **__: Any) -> list[str]:
        if name == NORTH:
            raise SchemaMovedError(f"{name} has moved to another database")
        done.append(name)
        return []

    for name in ("migrate", "status_of"):
        monkeypatch.setattr(migrate, name, one)
    monkeypatch.setattr(migrate, "migrate_keys", lambda *_, **__: [])
    return done


@pytest.mark.parametrize("option", [[], ["--contract"], ["--status"]])
def test_moved_book_is_named_with_its_settings_and_the_others_are_migrated(
    migrated: list[str], capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    assert processes.main(["migrate", *option, "identity", NORTH, "payments"]) == 1
    assert migrated == ["identity", "payments"]
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith(f"{NORTH} has moved to another database: set SALDO_LOGIN_URL_LEDGER_N")
    assert "SALDO_DATABASE_URL_LEDGER_NORTH" in said


@pytest.mark.parametrize("option", [[], ["--status"]])
def test_database_that_does_not_answer_is_named_by_its_service(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    def away(*_: Any, **__: Any) -> list[str]:
        raise psycopg.OperationalError("connection refused\nIs the server running?")

    for name in ("migrate", "status_of"):
        monkeypatch.setattr(migrate, name, away)
    assert processes.main(["migrate", *option, "identity"]) == 2
    assert capsys.readouterr().err == "identity: the database did not answer: connection refused\n"
