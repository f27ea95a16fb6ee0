"""A slow mobile link, as arithmetic: what a page costs there follows from its bytes and requests.

Times of a test machine say little; bytes and round trips are the same on each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import CDPSession, Page

from tests.waiting import eventually

BITS_PER_SECOND, ROUND_TRIP_S = 400_000, 0.4
CONNECT = 2
"""Round trips of TCP and TLS 1.3 before the first request of a connection."""
FIRST_FLIGHT = 14_000
"""Bytes of a response that come without a further round trip: ten segments of TCP."""


@dataclass
class Fetched:
    """One response: its address, what kind it is, and its bytes over the network."""

    address: str
    kind: str
    size: int = 0
    from_document: bool = True
    """Whether the page itself names it, so that it is asked for as soon as the page is there."""


class Loading:
    """What a browser fetches for one page."""

    def __init__(self, network: CDPSession) -> None:
        self.fetched: dict[str, Fetched] = {}
        self._open: set[str] = set()
        network.on("Network.requestWillBeSent", self._sent)
        network.on("Network.loadingFinished", self._finished)

    def load(self, page: Page, address: str) -> None:
        """Load a page, and wait until all that it asked for is there."""
        self.fetched.clear()
        page.goto(address, wait_until="load")
        eventually(lambda: page.evaluate("true") and self.document.size, f"the size of {address}")
        eventually(lambda: page.evaluate("true") and not self._open, f"the end of {address}")

    @property
    def document(self) -> Fetched:
        """The page itself."""
        return next(one for one in self.fetched.values() if one.kind == "Document")

    @property
    def first_text_s(self) -> float:
        """Seconds until the text is there: the page, and the style sheets it waits for."""
        sheets = [one for one in self.fetched.values() if one.kind == "Stylesheet" and one.size]
        trips = CONNECT + 1 + bool(sheets)
        return _seconds(trips, self.document.size + sum(one.size for one in sheets))

    @property
    def whole_s(self) -> float:
        """Seconds until everything is there; what is not the page comes over new connections."""
        others = [one for one in self.fetched.values() if one.kind != "Document" and one.size]
        trips = CONNECT + 1 + (CONNECT + 1 if others else 0)
        return _seconds(trips, self.document.size + sum(one.size for one in others))

    @property
    def unforeseen(self) -> list[str]:
        """What the arithmetic does not know: late requests, long responses, redirects."""
        return [
            one.address
            for one in self.fetched.values()
            if not one.from_document or one.size > FIRST_FLIGHT
        ]

    def _sent(self, event: dict[str, Any]) -> None:
        self._open.add(event["requestId"])
        self.fetched[event["requestId"]] = Fetched(
            event["request"]["url"],
            event.get("type", "Other"),
            # The icon has no initiator; what a script or a style sheet asks for is one step later.
            from_document=event["initiator"]["type"] in {"parser", "other"}
            and "redirectResponse" not in event,
        )

    def _finished(self, event: dict[str, Any]) -> None:
        self._open.discard(event["requestId"])
        if event["requestId"] in self.fetched:
            self.fetched[event["requestId"]].size = round(event["encodedDataLength"])


def _seconds(trips: int, size: int) -> float:
    return trips * ROUND_TRIP_S + size * 8 / BITS_PER_SECOND
