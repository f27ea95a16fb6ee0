"""A person's browser, which notices whatever is wrong with the pages that it shows."""

from __future__ import annotations

import shutil
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, CDPSession, ConsoleMessage, Page, Request

from gateway.translation import translations
from tests.browser import measuring

Colours = Literal["light", "dark"]
PATIENCE_MS = 60_000
DELIBERATE = "Failed to load resource: the server responded with a status of 4"
"""Chromium's console says so of every wrong form (422) and missing page (404) of a test."""
CONTRASTS = measuring.Contrasts()
"""Of all visitors of this process."""
LOCALES = {"ru": "ru-RU", "en": "en-GB"}


class Visitor:
    """A browser with its own cookies and one page.

    It notices requests that leave the site (the acquirer's page aside), errors in the console,
    and on each page that it is shown pages that scroll sideways or that axe complains about.
    """

    def __init__(
        self,
        chromium: Browser,
        origins: tuple[str, str],
        screenshots: Path,
        *,
        scripts: bool = True,
        width: int = 1280,
        language: str = "ru",
        colours: Colours = "light",
    ) -> None:
        self.url, self._acquirer = origins
        self._scripts = scripts
        self.language = language
        self._colours = colours
        self.findings: list[str] = []
        self.visited: list[str] = []
        """Paths of the site, in the order of the visits."""
        self.context = chromium.new_context(
            base_url=self.url,
            java_script_enabled=scripts,
            viewport={"width": width, "height": 900},
            locale=LOCALES[language],
            color_scheme=colours,
            reduced_motion="reduce",
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.page.on("request", self._notice_request)
        self.page.on("console", self._notice_message)
        self.page.on("pageerror", lambda error: self._note(f"error of a script: {error}"))
        self._screenshots = screenshots
        shutil.rmtree(screenshots, ignore_errors=True)
        self._taken = 0

    def words(self, russian: str) -> str:
        """Return a text of the pages in the language of this browser."""
        return translations(self.language).gettext(russian)

    @cached_property
    def network(self) -> CDPSession:
        """Chromium's own account of what goes over the network."""
        session = self.context.new_cdp_session(self.page)
        session.send("Network.enable")
        return session

    # The ways of a person through the pages: what stands there is clicked by its words.

    def open(self, path: str) -> int:
        """Open an address of the site and return its status."""
        response = self.page.goto(path)
        return response.status if response else 0

    def click(self, russian: str, role: Any = "button") -> None:
        """Click what has these words, within the main part of the page."""
        found = self.page.get_by_role("main").get_by_role(role, name=self.words(russian))
        found.first.click()

    def tab(self, russian: str) -> None:
        """Change to a tab of the cabinet."""
        name = self.words("Разделы кабинета")
        tabs = self.page.get_by_role("navigation", name=name)
        tabs.get_by_role("link", name=self.words(russian), exact=True).click()

    def fill(self, **fields: str) -> None:
        """Type into fields, by their ids."""
        for name, text in fields.items():
            self.page.locator(f"[id='{name}']").fill(text)

    def choose(self, russian: str) -> None:
        """Choose the radio button with these words."""
        self.page.get_by_label(self.words(russian)).check()

    def tick(self, name: str, on: bool) -> None:
        """Set or clear a box, by its id."""
        self.page.locator(f"#{name}").set_checked(on)

    def select(self, name: str, index: int) -> None:
        """Select one choice of a list, by its id."""
        self.page.locator(f"#{name}").select_option(index=index)

    def unfold(self, index: int) -> None:
        """Open the n-th row that has a square with a triangle, from 0."""
        self.page.get_by_role("main").locator("summary").nth(index).click()

    def log_out(self) -> None:
        """Click «Выйти»."""
        self.page.get_by_role("button", name=self.words("Выйти")).click()

    def submit_card(self) -> None:
        """Click «Оплатить» on the bank's page, which is Russian for everybody."""
        self.page.get_by_role("button", name="Оплатить").click()

    def sees(self, russian: str) -> None:
        """Assert that a text stands on the page."""
        text = self.words(russian)
        assert text in self.text, f"«{text}» is not on {self.page.url}:\n{self.text}"

    def error_of(self, name: str) -> str:
        """Return the words beside a field that is wrong."""
        return self.page.locator(f"[id='{name}-error']").inner_text()

    @property
    def text(self) -> str:
        """The main part of the page as text, its spaces as they are typed."""
        shown = self.page.get_by_role("main").inner_text()
        return shown.replace("\u00a0", " ").replace("\u202f", " ")

    @property
    def heading(self) -> str:
        """The one heading of the page."""
        return self.page.locator("h1").inner_text()

    def look(self, name: str) -> None:
        """Take a screenshot, and look for findings on the page as it is."""
        self._taken += 1
        path = self._screenshots / f"{self._taken:02d}-{name}.png"
        self.page.screenshot(path=path, full_page=True)
        if not self.page.url.startswith(self._acquirer):
            self.examine(f"{self._screenshots.name} {path.stem}")

    def examine(self, where: str) -> None:
        """Note what is wrong with the page in the browser's present size and colours."""
        found = measuring.overflow(self.page)
        if self._scripts:  # axe is a script itself
            without = CONTRASTS.rules_not_needed(self.page, self._colours)
            found += measuring.axe(self.page, without=without)
        self.note(where, found)

    def note(self, where: str, findings: list[str]) -> None:
        """Note what was found on the page."""
        for finding in findings:
            self._note(f"{where}: {finding}")

    def _notice_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin == self.url:
            if request.is_navigation_request():
                self.visited.append(parts.path)
        elif origin != self._acquirer:
            self._note(f"a request leaves the site: {request.url}")

    def _notice_message(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(DELIBERATE):
            self._note(f"console: {message.text}")

    def _note(self, finding: str) -> None:
        self.findings.append(f"{urlsplit(self.page.url).path}: {finding}")
