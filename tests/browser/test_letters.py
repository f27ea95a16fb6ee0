"""Every letter, each way that it can go, is accessible and fits the window of a mail program."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from services.notifications.letters import LANGUAGES
from services.notifications.letters.preview import WIDTHS, shown
from shared.config import Settings
from tests.browser import measuring

pytestmark = pytest.mark.slow

SETTINGS = Settings(url="https://saldo.example")
PAPER = {"light": "rgb(251, 250, 246)", "dark": "rgb(16, 22, 20)"}


@pytest.fixture(params=PAPER)
def page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Return a page in a look, without network."""
    context = chromium.new_context(color_scheme=request.param, offline=True)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_letter_is_accessible_and_fits(
    page: Page, language: str, request: pytest.FixtureRequest
) -> None:
    findings: list[str] = []
    page.on("console", lambda message: findings.append(message.text))
    page.on("request", lambda fetched: findings.append(f"{fetched.url} is fetched"))
    look = request.node.callspec.params["page"]
    for sample, letter in shown(SETTINGS, languages=[language]):
        page.set_content(letter.html)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            found = [*measuring.overflow(page), *broken_sums(page)]
            if width == WIDTHS[0]:  # All but the colours is the same in both looks.
                found += measuring.axe(page, () if look == "light" else measuring.COLOURS)
            findings += [f"{sample.name} {width} px: {finding}" for finding in found]
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == PAPER[look], "each look has its own colours"
    assert findings == []


def broken_sums(page: Page) -> list[str]:
    """Return the numbers of accounts and sums that a table breaks in two lines."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("th[scope=row], td")]
          .map(cell => cell.firstChild)
          .filter(text => {
            const range = document.createRange();
            range.selectNodeContents(text);
            return range.getClientRects().length > 1;
          })
          .map(text => text.textContent)
          .filter(text => /[0-9]/.test(text))"""
    )
    return [f"{text!r} is broken" for text in found]
