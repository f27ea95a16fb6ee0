"""The English of pages and documents: every Russian text has it, and none is left over."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import polib
import pytest

from gateway import cabinet
from gateway.cabinet.rendering import TABS, environment
from gateway.documents.words import texts as texts_of_template

PACKAGE = Path(cabinet.__file__).parent
DOCUMENTS = PACKAGE.parent / "documents"
CALLS = {"text", "_", "gettext", "ngettext"}
CATALOGUES = sorted((PACKAGE / "locale" / "en").glob("*.po"))


def test_every_text_has_english() -> None:
    translated = {entry.msgid for path in CATALOGUES for entry in polib.pofile(str(path))}
    missing = {text: where for text, where in texts() if text not in translated}
    assert missing == {}


def test_no_english_is_unused() -> None:
    used = {text for text, _ in texts()}
    left = {
        entry.msgid: path.name
        for path in CATALOGUES
        for entry in polib.pofile(str(path))
        if entry.msgid not in used
    }
    assert left == {}


def test_subjects_that_share_a_text_translate_it_alike() -> None:
    found: dict[str, set[str]] = {}
    for path in CATALOGUES:
        for entry in polib.pofile(str(path)):
            found.setdefault(entry.msgid, set()).add(entry.msgstr)
    assert {text: ways for text, ways in found.items() if len(ways) > 1} == {}


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_english_keeps_the_places_for_values(path: Path) -> None:
    for entry in polib.pofile(str(path)):
        assert entry.msgstr, entry.msgid
        assert placeholders(entry.msgid) == placeholders(entry.msgstr), entry.msgid
        assert not any("а" <= letter <= "я" for letter in entry.msgstr.lower()) or "«" in (
            entry.msgstr
        ), entry.msgstr


def placeholders(text: str) -> set[str]:
    return {word.split(")")[0] for before, word in pairwise(text.split("(")) if before[-1:] == "%"}


def texts() -> Iterator[tuple[str, str]]:
    """Yield every text of the pages and documents, with the file that has it."""
    yield from ((name, "rendering.py") for _, name in TABS)
    made = environment("ru")
    for path in sorted((PACKAGE / "templates").iterdir()):
        for _, _, found in made.extract_translations(path.read_text(encoding="utf-8")):
            for text in [found] if isinstance(found, str) else found or ():
                if text:
                    yield text, path.name
    for path in sorted((DOCUMENTS / "templates").glob("*.typ")):
        yield from ((text, path.name) for text in texts_of_template(path.stem))
    for path in sorted([*PACKAGE.rglob("*.py"), *DOCUMENTS.rglob("*.py")]):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            yield from ((text, path.name) for text in texts_of_call(node))


def texts_of_call(node: ast.AST) -> Iterator[str]:
    if not isinstance(node, ast.Call):
        return
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if name not in CALLS:
        return
    for given in node.args:
        for part in ast.walk(given):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value
