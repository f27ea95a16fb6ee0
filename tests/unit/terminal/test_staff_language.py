"""Staff output in one language: each text of the terminal is English, and has Russian."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import polib
import pytest
import typer
from click import Context
from typer.testing import CliRunner

import shared
from services import language, staff_calls
from services.cli import app
from services.discovery import recovery_of
from services.language import Language, of_environment, refusal, spoken, text, translated
from services.ledger.assignment import _behind, _unpublished
from services.terminal import refusal_text
from shared.errors import Unavailable
from shared.eventstore import lost_events

ROOT = Path(language.__file__).parent
CATALOGUES = sorted((ROOT / "locale" / "ru").glob("*.po"))
TRANSLATED = [
    *sorted((ROOT / "ledger" / "commands").glob("*.py")),
    *sorted((ROOT / "payments" / "commands").glob("*.py")),
    *sorted((ROOT / "helpdesk" / "verbs").glob("*.py")),
    *sorted((ROOT / "identity" / "verbs").glob("*.py")),
    ROOT / "recovery" / "applying.py",
    ROOT / "recovery" / "showing.py",
    ROOT / "accounts" / "access_verbs.py",
    Path(staff_calls.__file__),
    ROOT / "terminal.py",
]
SENTENCE = re.compile(r"[A-Za-z]{2,} [A-Za-z]{2,}")
NAMES = re.compile(r"`[^`]*`|saldo [a-z]+ [a-z-]+|--[a-z-]+|SALDO_\w+|\{[^}]*\}")
"""What is written alike in both languages: commands, options, settings, places for values."""
REFUSING = {"Conflict", "Forbidden", "NotFound", "ValidationFailed"}
ENGLISH_REFUSALS = {
    "control_totals": "names each total that differs",
    "invalid_file": "names what is wrong in the file",
    "unknown_charge": "a defect of the program that calls the calculator",
    "credit_exceeds_charge": "a defect of the program that calls the calculator",
    "duplicate_account": "a defect of the program that calls the RPC",
    "proof_does_not_hold": "for programs that check proofs",
    "proof_unreadable": "for programs that check proofs",
    "bill_not_issued": "for the cabinet",
    "invalid_charges": "for files, whose refused rows are in English",
    "invalid_opening": "for files",
    "opening_posted": "for files",
}

PAYERS_REFUSALS = {"negative_amount", "amount_too_large", "duplicate_account", "too_many_lines"}
"""Of the split of a payment, which the gateway shows to payers; staff may read them in English."""


def entries() -> Iterator[polib.POEntry]:
    for path in CATALOGUES:
        yield from polib.pofile(str(path))


def calls(path: Path, *names: str) -> Iterator[ast.Call]:
    for name, call in _calls(path):
        if name in names:
            yield call


@cache
def _calls(path: Path) -> list[tuple[str, ast.Call]]:
    return [
        (node.func.id, node)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]


def texts() -> set[str]:
    found = set()
    for path in sorted(ROOT.rglob("*.py")):
        if "from services.language import" in path.read_text(encoding="utf-8"):
            for call in calls(path, "text"):
                assert isinstance(call.args[0], ast.Constant), f"{path.name}:{call.lineno}"
                found.add(str(call.args[0].value))
    return found


def advice() -> set[str]:
    """Return the sentences of `Advice`, wherever one is made; each is a literal there."""
    found = set()
    for path in [*ROOT.rglob("*.py"), *Path(shared.__file__).parent.rglob("*.py")]:
        if path != Path(lost_events.__file__):  # which copies what it is given
            for call in calls(path, "Advice"):
                sentence = call.args[0] if call.args else None
                assert isinstance(sentence, ast.Constant), f"{path.name}:{call.lineno}"
                found.add(str(sentence.value))
    return found


@pytest.mark.parametrize(
    ("refused", "russian"),
    [
        (_unpublished(3), "Сервис accounts ещё не опубликовал все договоры (событий: 3)"),
        (_behind("ledger", 4), "Книга ledger ещё не прочитала все договоры (событий: 4)"),
    ],
)
def test_numbers_that_wait_for_contracts_say_for_whom_and_how_many(
    refused: Unavailable, russian: str
) -> None:
    with spoken(Language.RU):
        assert refusal_text(refused).startswith(russian)


def test_every_text_has_russian_and_none_is_left_over() -> None:
    wanted = texts() | advice()
    assert {entry.msgid for entry in entries() if not entry.msgctxt} == wanted
    assert len({(entry.msgctxt, entry.msgid) for entry in entries()}) == len(list(entries()))


def test_russian_is_russian_and_keeps_the_places_for_values() -> None:
    for entry in entries():
        assert not SENTENCE.search(NAMES.sub("", entry.msgstr)), entry.msgstr
        if not entry.msgctxt:
            assert places(entry.msgstr) == places(entry.msgid), entry.msgid
            assert not re.search("[а-яё]", entry.msgid), entry.msgid


def places(sentence: str) -> set[tuple[str, str, str]]:
    return {
        (name, spec or "", conversion or "")
        for _, name, spec, conversion in Formatter().parse(sentence)
        if name is not None
    }


@pytest.mark.parametrize("path", TRANSLATED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_sentence_is_written_past_the_catalogue(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    spared = {id(node) for node in unspoken(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            plain = NAMES.sub("", node.value)
            assert id(node) in spared or not SENTENCE.search(plain), f"{node.lineno}: {node.value}"
            assert not re.search("[а-яё]", node.value) or id(node) in spared, node.value


def unspoken(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield docstrings, help, and what the catalogue has."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
            name = called.id if isinstance(called, ast.Name) else called
            if name in ("text", "Option", "Argument", "compile"):
                yield from ast.walk(node)


def test_what_the_ledger_refuses_is_refused_in_russian_too() -> None:
    codes = set()
    for path in {*(ROOT / "ledger").rglob("*.py")}.difference(TRANSLATED):
        for call in calls(path, *REFUSING):
            if call.args and isinstance(call.args[0], ast.Constant):
                codes.add(str(call.args[0].value))
    russian = {entry.msgid for entry in entries() if entry.msgctxt}
    assert codes - russian == ENGLISH_REFUSALS.keys()


def test_what_payments_refuse_to_staff_is_refused_in_russian_too() -> None:
    russian = {entry.msgid for entry in entries() if entry.msgctxt}
    for name in ("refunds", "splits", "staff_limits", "staff_refunds", "resolving", "staff_views"):
        for call in calls(ROOT / "payments" / f"{name}.py", *REFUSING):
            code = str(getattr(call.args[0], "value", ""))
            assert code in russian | PAYERS_REFUSALS, code


def test_every_reason_why_a_book_does_not_move_is_said_in_russian_too() -> None:
    """Each sentence is one of the catalogue, of which another test keeps the Russian."""
    errors = list(calls(ROOT / "ledger" / "moving.py", "MoveError"))
    assert errors
    for error in errors:
        [sentence] = error.args
        assert isinstance(sentence, ast.Call), f"{error.lineno}: written past the catalogue"
        assert getattr(sentence.func, "id", "") == "text", f"{error.lineno}: past the catalogue"


def test_every_advice_on_lost_events_is_read_by_staff_in_russian() -> None:
    services = {path.parent.name for path in ROOT.glob("*/lost_events.py")}
    assert "payments" in services
    for service in sorted(services):
        said = [one.sentence for one in recovery_of(service).unpublished()]
        assert said, f"{service} does not say what staff do about what is never published"
        assert {*said} <= advice()
    with spoken(Language.RU):
        for sentence in sorted(advice()):
            assert re.search("[А-Яа-яё]", translated(sentence, {})), sentence


def test_commands_of_advice_exist() -> None:
    program: Any = typer.main.get_command(app)
    for sentence in sorted(advice()):
        for service, verb in re.findall("saldo ([a-z]+) ([a-z-]+)", sentence):
            verbs = program.get_command(Context(program), service)
            assert verb in verbs.list_commands(Context(verbs)), sentence


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "ru"}, "ru"),
        ({"LANG": "rue_UA"}, "en"),
        ({"LANG": "ru_RU.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "ru_RU.UTF-8"}, "ru"),
        ({"LC_ALL": "ru_RU.UTF-8", "SALDO_LANG": "en"}, "en"),
        ({"LC_ALL": "", "SALDO_LANG": "RU"}, "ru"),
    ],
)
def test_the_environment_chooses_the_language(environ: dict[str, str], expected: str) -> None:
    assert of_environment(environ) == expected


def test_a_flag_goes_before_the_environment() -> None:
    words = [
        "ledger",
        "penalty",
        "--payer",
        "household",
        "--charge",
        "2025-03",
        "--on",
        "2025-07-15",
    ]
    for environ, lang, said in (
        ("ru_RU.UTF-8", [], "нет суммы"),
        ("ru_RU.UTF-8", ["--lang", "en"], "has no amount"),
        ("C", ["--lang", "ru"], "нет суммы"),
    ):
        result = CliRunner().invoke(app, [*words, *lang], env={"LC_ALL": environ})
        assert result.exit_code == 2
        assert said in result.stderr


def test_a_language_is_chosen_for_one_command() -> None:
    with spoken(Language.RU):
        assert text("total") == "итого"
        assert refusal("service_not_billed", {"service": "lift"}) == (
            "Услуги lift в начислениях за этот месяц нет."
        )
        assert refusal("service_not_billed", {}) is None
        assert refusal("unheard_of", {}) is None
        assert text("{braces} of others stay") == "{braces} of others stay"
    with spoken(Language.EN):
        assert refusal("service_not_billed", {"service": "lift"}) is None
