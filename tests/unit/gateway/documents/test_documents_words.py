"""Every text of a document has its English."""

from __future__ import annotations

import re
from importlib.resources import files

import polib
import pytest

from gateway.documents.words import texts, words
from shared.documents.markdown import blocks

TEMPLATES = ("bill", "statement", "receipt")
_IN_CODE = re.compile(r'(?:\btext|gettext)\(\s*["\']([^"\']*[а-яё][^"\']*)["\']', re.IGNORECASE)


def english() -> set[str]:
    folder = files("gateway.cabinet").joinpath("locale", "en")
    found: set[str] = set()
    for catalogue in folder.iterdir():
        entries = polib.pofile(catalogue.read_text("utf-8"))
        found |= {entry.msgid for entry in entries if entry.msgstr}
    return found


@pytest.mark.parametrize("template", TEMPLATES)
def test_each_text_of_a_template_is_translated(template: str) -> None:
    assert texts(template)
    assert [text for text in texts(template) if text not in english()] == []
    assert words(template, "ru") == {}


def test_each_text_of_the_code_is_translated() -> None:
    folder = files("gateway.documents")
    sources = [one.read_text("utf-8") for one in folder.iterdir() if one.name.endswith(".py")]
    found = {text for source in sources for text in _IN_CODE.findall(source)}
    assert found
    assert found - english() == set()


def test_headings_of_a_document_skip_no_level() -> None:
    found = blocks("### a\n\n# b\n\n#### c\n\n- d\n  1. e\n\n[f](javascript:x) <b>g</b>\n")
    assert [one["level"] for one in found if one["kind"] == "heading"] == [1, 1, 2]
    assert found[3]["kind"] == "bullets"
    assert found[3]["items"][0][1]["kind"] == "numbers"
    assert "".join(part["text"] for part in found[4]["parts"]) == "[f](javascript:x) <b>g</b>"
