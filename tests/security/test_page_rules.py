"""What templates, scripts and cookies of the cabinet never do, read from their files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CABINET = REPOSITORY / "gateway" / "cabinet"
LETTERS = REPOSITORY / "services" / "notifications"
WITHOUT_FRAME = {"base.html", "components.html", "letter_parts.html"}
"""The frame itself, and templates of parts of pages."""


def templates() -> Iterator[tuple[str, str]]:
    for path in sorted((CABINET / "templates").glob("*.html")):
        yield path.name, path.read_text(encoding="utf-8")


def scripts() -> Iterator[tuple[str, str]]:
    for path in sorted((CABINET / "static").glob("*.js")):
        yield path.name, path.read_text(encoding="utf-8")


def fields(text: str) -> list[str]:
    """Return the calls that render a field."""
    return re.findall(r"ui\.field\(.*?\)\s*\}\}", text, re.DOTALL)


def test_no_template_escapes_by_hand() -> None:
    by_hand = re.compile(r"\|\s*(safe|e|escape|forceescape)\b|autoescape|Markup\(")
    letters = [
        (path.name, path.read_text(encoding="utf-8")) for path in sorted(LETTERS.rglob("*.html*"))
    ]
    assert letters
    found = [name for name, text in (*templates(), *letters) if by_hand.search(text)]
    assert found == []


def test_scripts_write_text_alone() -> None:
    """No HTML, no storage, no messages of other windows, no object that input could extend."""
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|"
        r"localStorage|sessionStorage|indexedDB|document\.cookie|postMessage|"
        r"addEventListener\(\"message|__proto__|Object\.assign|https?://"
    )
    found = {name: forbidden.findall(text) for name, text in scripts()}
    assert found == {"cabinet.js": [], "passkeys.js": []}


def test_no_template_has_a_script_or_style_of_its_own() -> None:
    inline = re.compile(
        r"<script(?![^>]*\bsrc=)|<style|\son[a-z]+\s*=\s*[\"']|\sstyle\s*=|javascript:"
    )
    assert [name for name, text in templates() if inline.search(text)] == []


def test_passwords_are_masked_and_may_be_pasted() -> None:
    asked = [
        (name, field)
        for name, text in templates()
        for field in fields(text)
        if re.match(r"ui\.field\(\"(\w*_)?password\"", field)
    ]
    assert len(asked) >= 10
    for name, field in asked:
        assert 'type="password"' in field, name
        assert re.search(r'autocomplete="(current|new)-password"', field), name
        assert "maxlength" not in field, name
    assert [name for name, text in (*templates(), *scripts()) if "onpaste" in text] == []
    assert [name for name, text in scripts() if '"paste"' in text] == []


def test_every_page_of_a_person_has_the_way_out() -> None:
    base = dict(templates())["base.html"]
    assert re.search(r"{% if visit\.person %}<li><form method=\"post\" action=\"/logout\">", base)
    framed = [name for name, text in templates() if '{% extends "base.html" %}' in text]
    reached = {name for name, text in templates() if re.search(r"{% extends ", text)}
    parts = {
        name
        for name, text in templates()
        if name not in reached and re.search(r"{%-? macro ", text)
    }
    assert set(dict(templates())) - reached - parts <= WITHOUT_FRAME
    assert len(framed) > 30


def test_every_cookie_has_the_prefix_of_this_host() -> None:
    text = (CABINET / "cookies.py").read_text(encoding="utf-8")
    names = re.findall(r'^[A-Z]+ = "([^"]+)"', text, re.MULTILINE)
    assert len(names) >= 7
    assert [name for name in names if not name.startswith("__Host-")] == []
    setters = [
        path.name
        for path in (REPOSITORY / "gateway").rglob("*.py")
        if re.search(r"\.set_cookie\(", path.read_text(encoding="utf-8"))
    ]
    assert setters == ["cookies.py"]
    [settings] = re.findall(r"response\.set_cookie\((.*?)\)", text, re.DOTALL)
    for attribute in ("secure=True", "httponly=True", 'samesite="Lax"', 'path="/"'):
        assert attribute in settings
