"""The catalogue is complete: every code that the source can raise has its words."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from gateway.messages import CATALOGUE, LANGUAGES
from gateway.messages.accounts import ACCOUNTS
from gateway.messages.fields import FIELDS
from gateway.messages.gateway import GATEWAY
from gateway.messages.helpdesk import HELPDESK
from gateway.messages.identity import IDENTITY
from gateway.messages.ledger import LEDGER
from gateway.messages.payments import PAYMENTS

ROOT = Path(__file__).parents[3]
ERRORS = {"ValidationFailed", "NotFound", "Conflict", "Forbidden", "Unavailable"}
RESERVED = {"code", "message", "self"}


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _calls(*folders: str) -> Iterator[tuple[Path, ast.Call]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield path, node


def _tabled(*folders: str) -> Iterator[str]:
    """Codes in tables of the form ``{"wrong_code": (ValidationFailed, "...")}``."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Dict):
                    for key, value in zip(node.keys, node.values, strict=True):
                        error = value.elts[0] if isinstance(value, ast.Tuple) else value
                        if isinstance(key, ast.Constant) and _name(error) in ERRORS:
                            yield str(key.value)


def _handed_on(*folders: str) -> Iterator[str]:
    """Codes that the caller of who raises them names: ``check_services(x, "invalid_opening")``."""
    places = {}
    for path in (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                names = [a.arg for a in function.args.args if a.arg != "self"]
                raised = {
                    _name(call.args[0])
                    for call in ast.walk(function)
                    if isinstance(call, ast.Call) and _name(call.func) in ERRORS and call.args
                }
                for name in raised & set(names):
                    places[function.name] = (names.index(name), name)
    for _, call in _calls(*folders):
        if place := places.get(_name(call.func)):
            index, name = place
            by_name = [keyword.value for keyword in call.keywords if keyword.arg == name]
            (given,) = by_name or call.args[index : index + 1]
            assert isinstance(given, ast.Constant), f"no scan sees the code in {ast.unparse(call)}"
            yield str(given.value)


def test_every_code_of_the_services_has_words() -> None:
    params: defaultdict[str, list[set[str]]] = defaultdict(list)
    for _, call in _calls("services", "shared"):
        if _name(call.func) in ERRORS and call.args and isinstance(call.args[0], ast.Constant):
            named = {keyword.arg for keyword in call.keywords if keyword.arg}
            params[str(call.args[0].value)].append(named)
    codes = set(params) | set(_tabled("services", "shared"))
    codes |= set(_handed_on("services", "shared"))

    assert len(codes) > 40, "the scan finds nothing any more: look at how errors are raised"
    assert sorted(codes - set(CATALOGUE)) == []
    for code, by_place in params.items():
        for text in CATALOGUE[code].values():
            wanted = {name for _, name, _, _ in Formatter().parse(text) if name}
            assert all(wanted <= given for given in by_place), f"{code} needs {wanted}"


def test_every_code_of_the_gateway_has_words() -> None:
    codes = {
        str(call.args[1].value)
        for _, call in _calls("gateway")
        if _name(call.func) == "Refusal"
        and len(call.args) > 1
        and isinstance(call.args[1], ast.Constant)
    }
    assert len(codes) > 10
    assert sorted(codes - set(CATALOGUE)) == []


def test_every_field_code_has_words() -> None:
    used: set[str] = set()
    for path in (ROOT / "gateway").rglob("*.py"):
        used |= set(re.findall(r"[\"'](field_[a-z]+)", path.read_text(encoding="utf-8")))
    used.discard("field_name")
    assert sorted(used - set(FIELDS)) == []


def test_a_code_has_its_words_once() -> None:
    parts = (GATEWAY, IDENTITY, ACCOUNTS, LEDGER, PAYMENTS, HELPDESK)
    assert sum(len(part) for part in parts) == len(CATALOGUE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_says_what_happened_and_then_what_to_do(language: str) -> None:
    without = [code for code, text in CATALOGUE.items() if ". " not in text[language]]
    assert without == []


def test_no_word_is_kept_for_nothing() -> None:
    source = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("services", "shared", "gateway")
        for path in (ROOT / folder).rglob("*.py")
        if "messages" not in path.parts
    )
    unused = [code for code in CATALOGUE if f'"{code}"' not in source]
    assert unused == []
