"""What is measured on a page: accessibility by axe, sideways scroll, weight."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import CDPSession, Page

from tests.breadth import WHOLE
from tests.waiting import eventually

STANDARDS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
COLOURS = ("color-contrast",)
"""The rules of axe that depend on colours."""
LAYOUT = ("target-size", "scrollable-region-focusable", "meta-viewport")
"""The rules of axe that depend on where things stand."""

_RUN = """async options => (await axe.run(document, options)).violations.map(
  found => found.id + " at " + found.nodes.map(
    node => node.target.join(" ") + " (" + node.html.slice(0, 120) + ")").join(", "))"""
_OVERFLOW = """() => {
  const width = document.scrollingElement.clientWidth;
  if (document.scrollingElement.scrollWidth <= width) return [];
  return [...document.body.querySelectorAll("*")]
    .filter(one => one.getBoundingClientRect().right > width + 1 && !one.closest(".scroll"))
    .map(one => one.outerHTML.slice(0, 120));
}"""
_KINDS_OF_TEXT = """() => {
  const looks = ["class", "type", "open", "disabled", "aria-current", "aria-invalid", "data-theme"];
  const found = new Map(), kinds = new Set();
  const kind = one => {
    if (!one) return "";
    if (!found.has(one)) {
      const own = looks.map(name => one.getAttribute(name)).join(" ");
      found.set(one, kind(one.parentElement) + ">" + one.tagName + " " + own);
    }
    return found.get(one);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode())
    if (texts.currentNode.data.trim()) kinds.add(kind(texts.currentNode.parentElement));
  document.querySelectorAll("input, textarea, select").forEach(one => kinds.add(kind(one)));
  return [...kinds];
}"""
_LOOK = """([theme, size]) => {
  document.documentElement.dataset.theme = theme;
  document.documentElement.dataset.size = size;
}"""


def axe(page: Page, rules: tuple[str, ...] = (), *, without: tuple[str, ...] = ()) -> list[str]:
    """Return what axe finds on a page: by all rules or those that are named, less some."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    only: dict[str, Any] = {"type": "tag", "values": STANDARDS}
    if rules:
        only = {"type": "rule", "values": rules}
    options: dict[str, Any] = {
        "runOnly": only,
        "resultTypes": ["violations"],
        "rules": {rule: {"enabled": False} for rule in without},
    }
    found: list[str] = page.evaluate(_RUN, options)
    return [f"axe: {finding}" for finding in found]


class Contrasts:
    """The kinds of text whose contrast was tried: by place in the page, colours and width."""

    def __init__(self) -> None:
        self._tried: set[tuple[str, str, int]] = set()

    def rules_not_needed(self, page: Page, colours: str) -> tuple[str, ...]:
        """Return the rules of colours where each kind of text on a page was tried before.

        They take most of axe's time; a whole run applies them to every page.
        """
        width = (page.viewport_size or {"width": 0})["width"]
        kinds = {(kind, colours, width) for kind in page.evaluate(_KINDS_OF_TEXT)}
        is_new = not kinds <= self._tried
        self._tried |= kinds
        return () if is_new or WHOLE else COLOURS


def overflow(page: Page) -> list[str]:
    """Return what makes a page scroll sideways; nothing where it does not."""
    found: list[str] = page.evaluate(_OVERFLOW)
    return [f"sticks out at {page.viewport_size}: {element}" for element in found]


def change_look(page: Page, theme: str, size: str = "100") -> None:
    """Show the page as the server would for another choice of «Вид страниц»."""
    page.evaluate(_LOOK, [theme, size])


@dataclass
class Weight:
    """What a browser fetches: for the present page, and static files for all pages together.

    Chromium fetches the icon when it likes, so a static file belongs to no page.
    """

    requests: list[str] = field(default_factory=list)
    transferred: int = 0
    static: list[str] = field(default_factory=list)
    transferred_static: int = 0
    pictures: list[str] = field(default_factory=list)
    """Pictures of the instruction: they are fetched when they are scrolled to, and not weighed."""

    @classmethod
    def of(cls, network: CDPSession) -> Weight:
        """Begin to weigh what comes over the network, headers included."""
        weight = cls()
        addresses: dict[str, str] = {}
        network.on(
            "Network.responseReceived",
            lambda event: addresses.update({event["requestId"]: event["response"]["url"]}),
        )
        network.on(
            "Network.loadingFinished",
            lambda event: weight._add(
                addresses.get(event["requestId"], "?"), round(event["encodedDataLength"])
            ),
        )
        return weight

    def of_page(self, page: Page, address: str) -> None:
        """Weigh one page; Chromium may report its end a moment after it has loaded."""
        self.requests.clear()
        self.transferred = 0
        page.goto(address)
        eventually(lambda: page.evaluate("true") and self.requests, f"the weight of {address}")

    def _add(self, address: str, length: int) -> None:
        if not length:  # from the cache
            return
        if address.endswith(".png"):
            self.pictures.append(address)
        elif "/static/" in address:
            self.static.append(address)
            self.transferred_static += length
        else:
            self.requests.append(address)
            self.transferred += length
