"""The styleguide shows every component, and its colours can be told apart."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from gateway.cabinet import styleguide
from gateway.cabinet.cookies import Look
from gateway.cabinet.static import static_files

TEMPLATES = files("gateway.cabinet").joinpath("templates")
LOOKS = ("light", "dark", "contrast")


def source(name: str) -> str:
    return TEMPLATES.joinpath(name).read_text("utf-8")


def sheet() -> str:
    return static_files()["cabinet.css"].plain.decode()


def test_every_component_is_shown() -> None:
    macros = re.findall(r"{% macro (\w+)\(", source("components.html"))
    shown = set(re.findall(r"ui\.(\w+)\(", source("styleguide.html")))
    assert len(macros) > 10
    assert set(macros) - shown == set(), "show the new component in styleguide.html"


def test_every_state_of_a_component_is_shown() -> None:
    page = styleguide.styleguide(Look(), "ru")
    states = set(re.findall(r"\.(notice|tag|button|message)\.(\w+)", sheet()))
    assert states > {("notice", "good"), ("tag", "bad"), ("button", "danger")}
    for component, state in states:
        shown = re.search(rf'class="{component} {state}"', page)
        assert shown, f"{component} {state}"
    for described in ("-hint", "-error"):
        assert f'{described}"' in page
    assert 'aria-invalid="true"' in page
    assert '<details class="opening" open' in page


@pytest.mark.parametrize("theme", LOOKS)
def test_colours_have_their_contrast(theme: str) -> None:
    weak = [found for found in styleguide.ratios(theme) if found[2] < found[3]]
    assert weak == []


def test_the_contrast_of_known_colours() -> None:
    assert styleguide.contrast("#000", "#ffffff") == pytest.approx(21)
    assert styleguide.contrast("#777", "#fff") == pytest.approx(4.478, abs=0.001)


def test_the_look_of_the_device_has_the_dark_colours() -> None:
    media = re.search(r"@media \(prefers-color-scheme: dark\) {[^{]*{(.*?)}", sheet(), re.DOTALL)
    assert media
    assert dict(re.findall(r"--([a-z0-9-]+):\s*([^;]+);", media[1])) == styleguide.tokens("dark")


@pytest.mark.parametrize("theme", LOOKS)
def test_every_look_has_every_colour(theme: str) -> None:
    def colours(look: str) -> set[str]:
        return {name for name, value in styleguide.tokens(look).items() if value[0] == "#"}

    assert colours(theme) == colours("light")


def test_the_files_stand_for_themselves(tmp_path: Path) -> None:
    first = styleguide.write(tmp_path)
    pages = list(tmp_path.glob("*.html"))
    assert len(pages) == 24
    assert first in pages
    for page in pages:
        text = page.read_text("utf-8")
        assert '="/static/' not in text
        for name in re.findall(r'(?:href|src)="(static/[^"]+|[\w-]+\.html)"', text):
            assert (tmp_path / name).is_file(), name
