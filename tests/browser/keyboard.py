"""A person with a keyboard and no mouse: everything is reached by Tab, in sight and in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.browser.visitor import Visitor

MOST_STOPS = 200
"""Presses of Tab after which what is looked for cannot be reached."""
_STOP = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const label = one.labels && one.labels[0];
  const box = one.getBoundingClientRect();
  const style = getComputedStyle(one);
  const within = one.closest("main, nav");
  return {
    id: one.id,
    tag: one.localName,
    type: one.getAttribute("type") || "",
    name: (one.getAttribute("aria-label") || (label || one).innerText || "").trim(),
    value: one.value || "",
    area: within ? within.localName + (within.getAttribute("aria-label") || "") : "",
    top: box.top + scrollY,
    left: box.left,
    seen: box.width > 0 && box.bottom > 0 && box.right > 0 && box.left < innerWidth,
    outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    jumps: one.tabIndex > 0,
  };
}"""
ROLES = {"link": ("a",), "button": ("button",)}


@dataclass(frozen=True)
class Stop:
    """What has the focus, and how it looks."""

    id: str
    tag: str
    type: str
    name: str
    value: str
    area: str
    top: float
    left: float
    seen: bool
    outline: float
    jumps: bool


class KeyboardVisitor(Visitor):
    """A visitor that presses keys, and notes each stop that is not seen or comes out of order."""

    _last: Stop | None = None

    def click(self, russian: str, role: Any = "button") -> None:
        """Go to what has these words within the main part, and press Enter."""
        words = self.words(russian)
        self._reach(lambda stop: _is(stop, role, words) and stop.area == "main", words)
        self._press_and_go("Enter")

    def tab(self, russian: str) -> None:
        """Go to a tab of the cabinet, and press Enter."""
        area, words = "nav" + self.words("Разделы кабинета"), self.words(russian)
        self._reach(lambda stop: stop.area == area and stop.name == words, words)
        self._press_and_go("Enter")

    def log_out(self) -> None:
        """Go to «Выйти», and press Enter."""
        words = self.words("Выйти")
        self._reach(lambda stop: _is(stop, "button", words), words, skip=False)
        self._press_and_go("Enter")

    def fill(self, **fields: str) -> None:
        """Go to fields by Tab and type into them."""
        for name, text in fields.items():
            self._reach(lambda stop, name=name: stop.id == name, name)
            self.page.keyboard.press("Control+a")
            self.page.keyboard.press("Delete")
            self.page.keyboard.type(text)

    def choose(self, russian: str) -> None:
        """Go to the group of radio buttons, and by arrows to the one with these words."""
        words = self.words(russian)
        self._reach(lambda stop: stop.type == "radio", words)
        self.page.keyboard.press("Space")
        for _ in range(MOST_STOPS):
            stop = self._stop()
            if stop and stop.name == words:
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"no arrow leads to «{words}»")

    def tick(self, name: str, on: bool) -> None:
        """Go to a box, and press Space where it is not as it should be."""
        self._reach(lambda stop: stop.id == name, name)
        if self.page.locator(f"#{name}").is_checked() != on:
            self.page.keyboard.press("Space")

    def select(self, name: str, index: int) -> None:
        """Go to a list, and by arrows to one of its choices."""
        self._reach(lambda stop: stop.id == name, name)
        for _ in range(index):
            self.page.keyboard.press("ArrowDown")

    def unfold(self, index: int) -> None:
        """Go to the n-th row that opens, and press Enter."""
        seen: list[Stop] = []

        def is_it(stop: Stop) -> bool:
            if stop.tag == "summary" and stop.area == "main":
                seen.append(stop)
            return len(seen) > index

        self._reach(is_it, f"row {index}")
        self.page.keyboard.press("Enter")

    def submit_card(self) -> None:
        """Press Enter in the last field of the bank's page."""
        self._press_and_go("Enter")

    def _reach(self, is_it: Callable[[Stop], bool], what: str, *, skip: bool = True) -> None:
        """Press Tab until the right element has the focus."""
        for _ in range(MOST_STOPS):
            self.page.keyboard.press("Tab")
            stop = self._stop()
            if stop is None:  # past the end of the page, and on from its beginning
                self._last = None
                continue
            self._judge(stop)
            if stop.name == self.words("К содержанию") and skip:
                self.page.keyboard.press("Enter")
                self._last = None
            elif is_it(stop):
                return
        raise AssertionError(f"no Tab leads to «{what}» on {self.page.url}")

    def _judge(self, stop: Stop) -> None:
        """Note a stop that a person cannot see, or that stands before the last one."""
        if self.page.url.startswith(self.url):
            wrong = []
            if stop.outline < 2:
                wrong.append(f"has no visible focus: {stop}")
            if not stop.seen:
                wrong.append(f"has the focus out of sight: {stop}")
            if stop.jumps or self._goes_back(stop):
                wrong.append(f"comes out of order, after {self._last}: {stop}")
            self.note("keyboard", wrong)
        self._last = stop

    def _goes_back(self, stop: Stop) -> bool:
        """Whether a stop stands above the last one, or to the left of it in the same row."""
        last = self._last
        if last is None or last.area != stop.area or not stop.area:
            return False
        same_row = abs(stop.top - last.top) < 12
        return stop.left < last.left - 1 if same_row else stop.top < last.top

    def _stop(self) -> Stop | None:
        found = self.page.evaluate(_STOP)
        return Stop(**found) if found else None

    def _press_and_go(self, key: str) -> None:
        with self.page.expect_navigation():
            self.page.keyboard.press(key)
        self._last = None


def _is(stop: Stop, role: str, words: str) -> bool:
    return stop.tag in ROLES[role] and words in stop.name
