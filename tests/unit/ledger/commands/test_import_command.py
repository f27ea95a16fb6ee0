"""``saldo ledger import --kind``: the kinds are those that the ledger can import."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner, Result

from services.ledger.commands import import_files
from services.ledger.importing.imports import ImportRequest
from services.ledger.importing.kinds import KINDS
from shared.errors import ValidationFailed


def run(file: Path, kind: str) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("import")(import_files.import_)
    arguments = [str(file), "--kind", kind, "--reason", "order 17"]
    env = {"COLUMNS": "200", "SALDO_DATABASE_URL": "postgresql://staff.ivanova@db/saldo"}
    return CliRunner().invoke(app, arguments, env=env)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_imported_as_the_kind_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    requests: list[ImportRequest] = []

    def import_file(_store: object, request: ImportRequest, _bar: object) -> None:
        requests.append(request)
        raise ValidationFailed("invalid_file", "Read no further.")

    unlimited = SimpleNamespace(query=lambda _: None)
    monkeypatch.setattr(import_files, "opened_ledger", lambda **_: nullcontext(unlimited))
    monkeypatch.setattr(import_files, "import_file", import_file)
    file = tmp_path / "file.csv"
    file.touch()
    done = run(file, kind)
    assert (done.exit_code, [request.kind for request in requests]) == (2, [kind])


def test_an_unknown_kind_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.touch()
    done = run(file, "tenants")
    assert done.exit_code == 2
    assert ", ".join(KINDS) in done.stderr
