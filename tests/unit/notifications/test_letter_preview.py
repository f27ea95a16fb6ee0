"""``saldo notifications preview``: letters of made-up facts, for staff and translators."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli import app
from services.notifications.letters import LANGUAGES
from services.notifications.letters.samples import SAMPLES, samples
from shared.contracts.notifications import LetterKind


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the verb an address of the cabinet, and nothing to sign in to."""
    monkeypatch.setenv("SALDO_URL", "https://saldo.example")


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["notifications", "preview", *arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_all_letters_are_written_with_an_index_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    assert run("--all", "--folder", str(folder)).strip() == str(folder / "index.html")
    index = (folder / "index.html").read_text("utf-8")
    for sample in samples():
        assert f'"{sample.name}.html" width="320"' in index
        assert f'"{sample.name}.html" width="640"' in index
        assert "https://saldo.example/" in (folder / f"{sample.name}.txt").read_text("utf-8") or (
            sample.kind == "question_to_department"
        )
        assert f'<html lang="{sample.language}">' in (folder / f"{sample.name}.html").read_text(
            "utf-8"
        )


def test_every_case_of_a_kind_is_printed_in_the_language_asked_for() -> None:
    printed = run("bill_ready", "--language", "ru")
    assert printed.count("\n=== ") + 1 == len(SAMPLES[LetterKind.BILL_READY])
    assert "Квитанция за март" in printed
    assert "Hello" not in printed


def test_one_letter_is_written_into_a_file(tmp_path: Path) -> None:
    file = tmp_path / "letter.html"
    assert run("password_changed", "--language", "en", "--html", str(file)) == ""
    assert "<h1" in file.read_text("utf-8")


def test_letters_are_printed_as_json() -> None:
    found = json.loads(run("password_changed", "--json"))
    assert [one["language"] for one in found] == list(LANGUAGES)
    assert {"kind", "case", "subject", "text", "html"} < set(found[0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("bill",), "no such letter"),
        ((), "--all"),
        (("bill_ready", "--all"), "--all"),
        (("bill_ready", "--language", "de"), "ru or en"),
        (("bill_ready", "--html", "/nowhere/letter.html"), "/nowhere/letter.html"),
    ],
)
def test_what_cannot_be_shown_is_said(arguments: tuple[str, ...], words: str) -> None:
    assert words in run(*arguments, "--lang", "en", code=2)
