"""The commands that prove all books: the Job's of the restore drill, and those of the documents."""

from __future__ import annotations

import re
import shlex
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from services.chosen_book import chosen_book
from services.cli import app
from services.verbs import Function
from tests.kustomization import containers_of, named
from tests.ports import free_port
from tests.unit.deploy.restore_job import (
    NOT_YET,
    ORIGINS,
    REPOSITORY,
    commands,
    drill,
    job,
    run_script,
)

WITNESS = "/var/lib/saldo/witness"


class Call(NamedTuple):
    verb: str
    log: str
    options: dict[str, Any]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Have each verb note what it is called with, in place of its work."""
    noted: list[Call] = []
    load = Function.load

    def noting(self: Function) -> Any:
        function = load(self)

        @wraps(function)
        def note(*_: Any, **options: Any) -> None:
            noted.append(Call(self.name, chosen_book() or "ledger", options))

        return note

    monkeypatch.setattr(Function, "load", noting)
    return noted


def called(line: str, witness: Path) -> None:
    """Call a command as the shell would; raises click's UsageError where it is refused."""
    first, *words = shlex.split(line.replace(WITNESS, str(witness)))
    assert first == "saldo"
    code = typer.main.get_command(app).main(args=words, prog_name=first, standalone_mode=False)
    assert code in (0, None), line


def settings_of(name: str) -> dict[str, str]:
    found: dict[str, str] = named(drill(name), "ConfigMap")["saldo-settings"]["data"]
    return found


@pytest.mark.parametrize(("name", "books"), [("drill", ()), ("drill-books", ("north",))])
def test_job_proves_each_book_against_its_own_folder_of_the_witness(
    name: str,
    books: tuple[str, ...],
    calls: list[Call],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    [container] = containers_of(job(name))
    mounted = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert mounted["witness"] == WITNESS
    monkeypatch.setenv("SALDO_LEDGER_BOOKS", settings_of(name).get("SALDO_LEDGER_BOOKS", ""))
    for line in commands(name):
        called(line, tmp_path)
    logs = ["ledger", *(f"ledger_{book}" for book in books)]
    assert [call.log for call in calls if call.verb == "audit"] == logs
    verified = [call for call in calls if call.verb == "verify"]
    assert [call.log for call in verified] == logs
    folders = [tmp_path, *(tmp_path / book for book in books)]
    assert [call.options["witness"] for call in verified] == [[folder] for folder in folders]
    # What runs goes on, and its witness with it, while the backup is looked at.
    assert all(call.options["restored"] for call in verified)
    assert calls[-1].verb == "status"


def test_job_waits_for_the_databases_alone(tmp_path: Path) -> None:
    closed = f"postgresql://saldo@127.0.0.1:{free_port()}/saldo"
    environ = {"SALDO_DATABASE_URL": closed, "SALDO_KEYS_DATABASE_URL": closed}
    done = run_script(tmp_path, environ, {})
    assert (done.code, done.called) == (NOT_YET, [])
    assert "refused" in done.said
    # Settings do not get better by waiting.
    wrong = run_script(tmp_path, {**environ, "SALDO_LEDGER_BOOKS": "No book"}, {})
    assert wrong.code not in (0, NOT_YET)
    assert wrong.called == []


@pytest.mark.parametrize("books", ["", "north"])
def test_commands_of_the_page_that_prove_the_ledger_are_taken_with_any_number_of_books(
    books: str, calls: list[Call], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SALDO_LEDGER_BOOKS", books)
    page = (REPOSITORY / "docs" / "production.md").read_text(encoding="utf-8")
    lines = set(re.findall(r"saldo ledger (?:audit|verify)\b[^\n`#]*", page))
    for line in lines:
        called(line, tmp_path)
    given = [call for call in calls if call.verb == "verify" and call.options["witness"]]
    assert given, "the page says how staff compare the log with what the witness keeps"


def test_every_drill_is_that_of_an_overlay() -> None:
    kept = {path.parent.name for path in (REPOSITORY / "deploy/kubernetes").glob("drill*/*.yaml")}
    assert kept == ORIGINS.keys()
