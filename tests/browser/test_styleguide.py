"""The components of the cabinet, each with its states, are accessible and fit every screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from gateway.cabinet import styleguide
from gateway.cabinet.cookies import SIZES, THEMES
from tests.browser import measuring

pytestmark = pytest.mark.slow

WIDTHS = (320, 720, 960, 1280)
HOST = "http://styleguide.invalid"
LIGHT = "rgb(251, 250, 246)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the styleguide in every look."""
    return styleguide.write(tmp_path_factory.mktemp("styleguide")).parent


@pytest.fixture
def page(chromium: Browser, folder: Path) -> Iterator[Page]:
    """Return a page that gets the files by HTTP: axe reads style sheets anew."""
    context = chromium.new_context(base_url=HOST, color_scheme="dark", reduced_motion="reduce")
    context.route(
        f"{HOST}/**",
        lambda route: route.fulfill(path=folder / route.request.url.removeprefix(f"{HOST}/")),
    )
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("theme", THEMES)
def test_every_component_is_accessible_and_fits(page: Page, theme: str) -> None:
    findings: list[str] = []
    page.on("console", lambda message: findings.append(message.text))
    # All but the colours is the same in every look.
    rules = () if theme == "light" else measuring.COLOURS
    for language in styleguide.LANGUAGES:
        for size in SIZES:
            page.goto(f"/{theme}-{size}-{language}.html")
            assert page.locator("h1").count() == 1
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                found = measuring.overflow(page)
                if (size, language) == (SIZES[0], "ru"):
                    found += measuring.axe(page, rules)
                findings += [f"{language} {size} % {width} px: {finding}" for finding in found]
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert findings == []
    assert (background == LIGHT) == (theme == "light"), "each look has its own colours"


def test_marks_heaped_on_a_letter_stay_within_their_message(page: Page) -> None:
    page.goto(f"/light-{SIZES[0]}-ru.html")
    page.set_viewport_size({"width": 720, "height": 900})
    messages = page.locator(".message")
    before = messages.first.screenshot()
    heaped = "Z" + "\u0301" * 60
    messages.nth(1).locator(".words").evaluate("(words, text) => words.textContent = text", heaped)
    assert messages.first.screenshot() == before
