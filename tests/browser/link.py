"""A slow mobile link, as arithmetic: what a page costs there follows from its bytes and requests.

Times of a test machine say little; bytes and round trips are the same on each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import CDPSession, Page

from tests.waiting import eventually

BITS_PER_SECOND, ROUND_TRIP_S = 400_000, 0.4
CONNECT = 2
"""Round trips of TCP and TLS 1.3 before the first request of a connection."""
FIRST_FLIGHT = 14_000
"""Bytes of a response that come without a further round trip: ten segments of TCP."""

PICTURE = ".png"
"""Those of the instruction: they come when they are scrolled to, and take no part in this."""


@dataclass
class Fetched:
    """One response: its address, what kind it is, and its bytes over the network."""

    address: str
    kind: str
    size: int = 0
    from_document: bool = True
    """Whether the page itself names it, so that it is asked for as soon as the page is there."""


@dataclass(frozen=True)
class Costs:
    """What a page costs on the link: all that is fetched for it."""

    fetched: Sequence[Fetched]

    @property
    def document(self) -> Fetched:
        """The page itself."""
        return next(one for one in self.fetched if one.kind == "Document")

    @property
    def first_text_s(self) -> float:
        """Seconds until the text is there: the page, and the style sheets it waits for."""
        sheets = [one for one in self.fetched if one.kind == "Stylesheet" and one.size]
        trips = CONNECT + 1 + bool(sheets)
        return _seconds(trips, self.document.size + sum(one.size for one in sheets))

    @property
    def whole_s(self) -> float:
        """Seconds until everything is there; what is not the page comes over new connections."""
        others = [one for one in self.fetched if one.kind != "Document" and one.size]
        trips = CONNECT + 1 + (CONNECT + 1 if others else 0)
        return _seconds(trips, self.document.size + sum(one.size for one in others))

    @property
    def unforeseen(self) -> list[str]:
        """What the arithmetic does not know: late requests, long responses, redirects."""
        return [
            one.address for one in self.fetched if not one.from_document or one.size > FIRST_FLIGHT
        ]


class Loading:
    """Chromium's own account of what it fetches."""

    def __init__(self, network: CDPSession) -> None:
        self._fetched: dict[str, Fetched] = {}
        self._open: dict[str, Fetched] = {}
        self._loader = ""
        network.on("Network.requestWillBeSent", self._sent)
        network.on("Network.loadingFinished", self._finished)
        network.on("Network.loadingFailed", lambda event: self._open.pop(event["requestId"], None))

    def load(self, page: Page, address: str) -> Costs:
        """Load a page, wait until all that it asked for is there, and return its costs."""
        self._fetched.clear()
        self._open.clear()
        self._loader = ""
        page.goto(address, wait_until="load")
        costs = Costs(list(self._fetched.values()))
        eventually(lambda: page.evaluate("true") and costs.document.size, f"the size of {address}")
        try:
            eventually(lambda: page.evaluate("true") and not self._open, f"the end of {address}")
        except AssertionError as late:
            late.add_note(f"open: {[one.address for one in self._open.values()]}")
            raise
        return Costs(list(self._fetched.values()))

    def _sent(self, event: dict[str, Any]) -> None:
        if event["request"]["url"].endswith(PICTURE):
            return
        kind = event.get("type", "Other")
        if kind == "Document":
            self._loader = event["loaderId"]
        if event["loaderId"] != self._loader:
            return  # A late request of the page before: nobody tells of its end any more.
        fetched = Fetched(
            event["request"]["url"],
            kind,
            # The icon has no initiator; what a script or a style sheet asks for is one step later.
            from_document=event["initiator"]["type"] in {"parser", "other"}
            and "redirectResponse" not in event,
        )
        self._open[event["requestId"]] = self._fetched[event["requestId"]] = fetched

    def _finished(self, event: dict[str, Any]) -> None:
        self._open.pop(event["requestId"], None)
        if event["requestId"] in self._fetched:
            self._fetched[event["requestId"]].size = round(event["encodedDataLength"])


def _seconds(trips: int, size: int) -> float:
    return trips * ROUND_TRIP_S + size * 8 / BITS_PER_SECOND
