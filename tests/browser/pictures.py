"""The pictures of the instruction and of the README, and what tells that one is stale.

A picture is small: a part of a page in a palette. Beside it the repository has what the page said
and how it stood when the picture was taken: its accessibility tree without numbers and dates, the
columns in which its parts stand, its colours. These are the same in every Chromium with any fonts,
which pixels are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from deploy.demo.demo_person import Card
from deploy.demo.person import Person
from tests.browser.instruction import ask_for_code, log_in
from tests.browser.palette import with_palette
from tests.browser.site import Site
from tests.browser.visitor import Visitor

REPOSITORY = Path(__file__).resolve().parents[2]
PICTURES = REPOSITORY / "shared" / "documents" / "pictures"
PORTRAITS = Path(__file__).parent / "portraits"
"""What the pages said and how they stood, a text file for each picture."""
README = "cabinet"
"""The picture of the README; all others stand in the instruction."""

PHONE, WINDOW = (440, 600), (1000, 760)
COLOURS = 24
MARGIN = 8
MOST_BYTES, MOST_IN_ALL = 25_000, 150_000

_IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\S+@\S+")
_NUMBERS = re.compile(r"\d+(?:[.,\u00a0 ]\d+)*")
_MONTHS = re.compile(
    r"(?i)\b(январ|феврал|март|апрел|ма[йя]|июн|июл|август|сентябр|октябр|ноябр|декабр)\w*"
)
_BOXES = """root => [...root.querySelectorAll(
    "h1, h2, nav, table, form, fieldset, details, .card, .field, .notice")]
  .filter(one => one.offsetParent !== null)
  .map(one => {
    const box = one.getBoundingClientRect(), eighth = innerWidth / 8;
    const name = [one.localName, ...one.classList].join(".");
    return `${name} ${Math.round(box.x / eighth)}+${Math.round(box.width / eighth)}`;
  })"""
_COLOURS = """root => {
  const found = new Set();
  for (const one of root.querySelectorAll("*")) {
    // What Chromium draws itself has the colours of its version.
    if (one.offsetParent === null || one.matches("option, [type=radio], [type=checkbox]")) continue;
    const style = getComputedStyle(one);
    found.add(style.color).add(style.backgroundColor);
    if (parseFloat(style.borderTopWidth)) found.add(style.borderTopColor);
  }
  return [...found].sort();
}"""


@dataclass(frozen=True)
class Picture:
    """A picture of a page: its name, its part of the page, and how to get there."""

    name: str
    go: Callable[[Visitor], Any]
    region: str = "main"
    window: tuple[int, int] = PHONE

    @property
    def path(self) -> Path:
        """Where the picture stands in the repository."""
        if self.name == README:
            return REPOSITORY / "docs" / f"{README}.png"
        return PICTURES / f"{self.name}.png"

    @property
    def portrait_path(self) -> Path:
        """Where its portrait stands."""
        return PORTRAITS / f"{self.name}.txt"


def newcomer_pictures(site: Site) -> list[Picture]:
    """Return the pictures of the registration; the person logs in for the first time at the end."""
    person = Person()

    def ask(visitor: Visitor) -> None:
        ask_for_code(visitor, site, person)
        visitor.page.reload()  # the address, shown once, is another one each time

    return [
        Picture("registration", lambda visitor: visitor.open("/register")),
        Picture("code", ask),
    ]


def resident_pictures() -> list[Picture]:
    """Return the pictures of the cabinet of the demo person, who is logged in."""

    def opened(path: str) -> Callable[[Visitor], None]:
        def go(visitor: Visitor) -> None:
            visitor.open(path)
            visitor.page.locator("details.opening > summary").first.click()

        return go

    def at(path: str) -> Callable[[Visitor], int]:
        return lambda visitor: visitor.open(path)

    return [
        Picture("link", at("/accounts/link")),
        Picture("accounts", at("/accounts"), region=".columns", window=WINDOW),
        Picture(README, at("/accounts"), region=".columns", window=WINDOW),
        Picture("charges", opened("/charges")),
        Picture("pay", at("/pay")),
        Picture("history", opened("/payments")),
        Picture("settings", at("/settings")),
        Picture("questions", at("/questions")),
    ]


def log_in_as_demo_person(visitor: Visitor, card: Card) -> None:
    """Log in as the demo person, whose cabinet has something on each page."""
    visitor.open("/")
    log_in(visitor, card.email, card.password)
    visitor.page.wait_for_url("**/accounts")
    # Other tests read the answers of this person, too: nothing is new, whoever came first.
    visitor.open("/questions")
    links = visitor.page.locator("main .card h2 a")
    for address in [link.get_attribute("href") for link in links.all()]:
        visitor.open(str(address))
    visitor.open("/accounts")


def shown(visitor: Visitor, pictures: list[Picture]) -> Iterator[Picture]:
    """Yield each picture while its page is shown, in its window."""
    for picture in pictures:
        width, height = picture.window
        visitor.page.set_viewport_size({"width": width, "height": height})
        picture.go(visitor)
        yield picture


def taken(page: Page, picture: Picture) -> bytes:
    """Return the picture of the page that is shown: the beginning of its region.

    A wide one begins with the head of the page, whose words say nothing of the region.
    """
    width, height = picture.window
    box = page.locator(picture.region).bounding_box()
    assert box, picture.name
    top = 0 if picture.window == WINDOW else max(0, box["y"] - MARGIN)
    bottom = min(top + height, box["y"] + box["height"] + MARGIN)
    clip = {"x": 0, "y": top, "width": width, "height": bottom - top}
    page.evaluate("document.activeElement.blur()")
    return with_palette(page.screenshot(full_page=True, clip=clip), COLOURS)


def portrait(page: Page, picture: Picture, png: bytes) -> str:
    """Return what the page says and how it stands, with the digest of its picture."""
    region = page.locator(picture.region)
    tree = _IDS.sub("(id)", region.aria_snapshot())
    tree = _MONTHS.sub("(месяц)", _NUMBERS.sub("0", tree))
    # Two blocks that differ in numbers alone, such as a bill more, are said once.
    said = "\n".join(dict.fromkeys(tree.splitlines()))
    boxes = "\n".join(dict.fromkeys(region.evaluate(_BOXES)))
    colours = "\n".join(region.evaluate(_COLOURS))
    parts = {"picture": digest(png), "says": said, "stands": boxes, "colours": colours}
    return "\n".join(f"{name}:\n{text}\n" for name, text in parts.items())


def digest(png: bytes) -> str:
    """Return the digest by which a portrait names its picture."""
    return sha256(png).hexdigest()[:16]
