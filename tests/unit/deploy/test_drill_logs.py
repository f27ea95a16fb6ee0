"""Which log a schema and a checkpoint of a restored server are of."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.restore_drill.__main__ import witnesses_in
from deploy.restore_drill.backups import BackupError
from deploy.restore_drill.checks import folders_of
from deploy.restore_drill.logs import Restored, check_verifiers, names_of_logs, restored_logs
from services.ledger.seal.checkpoint import Signer
from shared.config import SERVICES, ConfigurationError, load_settings


class Server:
    """Stands in for a scratch server without any database."""

    def databases(self) -> list[str]:
        return []


def test_a_server_without_a_ledger_is_of_something_else() -> None:
    with pytest.raises(BackupError, match="schema ledger"):
        restored_logs(Server(), load_settings({}))  # type: ignore[arg-type]


def test_books_are_listed_with_the_first_one_first() -> None:
    found = Restored(dict.fromkeys((*SERVICES, "ledger_north"), "postgresql://scratch/data"))
    assert list(found.books) == ["ledger", "ledger_north"]


def test_each_book_is_known_by_the_names_of_its_keys() -> None:
    environ = {
        "SALDO_LEDGER_SEAL_VERIFIER": str(Signer("a.example/l", bytes(32)).verifier),
        "SALDO_LEDGER_NORTH_SEAL_VERIFIER": str(Signer("a.example/l/north", bytes(32)).verifier),
    }
    books = ["ledger", "ledger_north", "ledger_south"]
    assert names_of_logs(books, environ) == {
        "a.example/l": "ledger",
        "a.example/l/north": "ledger_north",
    }
    check_verifiers(books[:2], environ)
    with pytest.raises(ConfigurationError, match="SALDO_LEDGER_SOUTH_SEAL_VERIFIER_FILE"):
        check_verifiers(books, environ)


def test_every_book_has_a_witness_of_its_own() -> None:
    environ = {
        "SALDO_LEDGER_WITNESS_DIR": "/witness",
        "SALDO_LEDGER_NORTH_WITNESS_DIR": "/of-north",
        "SALDO_LEDGER_SOUTH_WITNESS_DIR": "",
        "SALDO_LEDGER_WITNESS_MAIL": "somebody@example.org",
    }
    assert witnesses_in(environ) == [Path("/of-north"), Path("/witness")]


def test_each_further_book_has_a_folder_in_that_of_a_witness(tmp_path: Path) -> None:
    for name in ("north", "elsewhere"):
        (tmp_path / name).mkdir()
    letter = tmp_path / "letter.txt"
    letter.write_text("a checkpoint", encoding="ascii")
    books = ["ledger", "ledger_north", "ledger_south"]
    expected = [tmp_path, letter, tmp_path / "north"]
    assert folders_of([tmp_path, letter], books) == expected
    assert folders_of([tmp_path / "north", tmp_path], books) == [tmp_path / "north", tmp_path]
    assert folders_of([], books) == []
