"""On a link of 400 kbit/s and 400 ms: the text of a page within 2 s, all of it within 3 s."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import CDPSession, Page

from tests.browser.addresses import ADDRESSES, OTHERS, WITHOUT_LOG_IN, Resident, new_resident
from tests.browser.instruction import log_in
from tests.browser.link import BITS_PER_SECOND, ROUND_TRIP_S, Loading
from tests.browser.site import Site, Visitors
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

TEXT_S, WHOLE_S = 2.0, 3.0
SENDS_ON = {
    "/acceptance",
    "/payments/<uuid:payment_id>/go",
    "/log-in/second/<uuid:challenge_id>",
    "/settings/confirm",
    "/settings/security/required",
    "/settings/security/passkeys/new/<uuid:challenge_id>",
    "/settings/security/totp/<uuid:challenge_id>",
}
"""Pages that send on whoever has nothing to do there."""
SHOWN = ("/", "/accounts", "/charges?account={account}", "/pay", "/payments")
"""Pages whose times are measured and printed, with an empty cache."""
_PAINTED = """() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime"""
_LOADED = """() => performance.getEntriesByType("navigation")[0].loadEventEnd"""


@pytest.fixture(scope="module")
def resident(site: Site) -> Resident:
    return new_resident(site, "0100000031", "0100000032")


def test_every_page_is_quick_even_on_the_first_visit(
    visitors: Visitors, resident: Resident
) -> None:
    visitor = visitors.open("slow-link")
    network, page = visitor.network, visitor.page
    loading = Loading(network)
    slow: list[str] = []

    def judge(address: str) -> None:
        network.send("Network.clearBrowserCache")
        costs = loading.load(page, address)
        assert any(one.kind == "Stylesheet" for one in costs.fetched), "a first visit"
        if costs.first_text_s > TEXT_S or costs.whole_s > WHOLE_S or costs.unforeseen:
            slow.append(
                f"{address[:60]}: text {costs.first_text_s:.2f} s, all {costs.whole_s:.2f} s, "
                f"unforeseen {costs.unforeseen}"
            )

    for path in WITHOUT_LOG_IN:
        judge(ADDRESSES[path])
    visitor.open("/")
    log_in(visitor, resident.journey.person.email, resident.journey.person.own_password)
    visitor.page.wait_for_url("**/accounts")
    inside = [
        address for path, address in ADDRESSES.items() if path not in WITHOUT_LOG_IN | SENDS_ON
    ]
    for address in (*inside, *OTHERS):
        if "{order}" not in address:
            judge(resident.at(address))
    assert not slow, "\n".join(slow)


def test_the_times_on_such_a_link_are_reported(
    visitors: Visitors, resident: Resident, record_property: Callable[[str, object], None]
) -> None:
    visitor = visitors.open("slow-link-measured")
    network, page = visitor.network, visitor.page
    visitor.open("/")
    log_in(visitor, resident.journey.person.email, resident.journey.person.own_password)
    throttle(network)
    for address in SHOWN:
        network.send("Network.clearBrowserCache")
        text, whole = measure(page, resident.at(address))
        record_property(
            "measured",
            f"{address} at 400 kbit/s and 400 ms, cache empty: text {text} ms, all {whole} ms",
        )
        assert text > 0


def throttle(network: CDPSession) -> None:
    """Make Chromium's network as slow as the link."""
    network.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": ROUND_TRIP_S * 1000,
            "downloadThroughput": BITS_PER_SECOND / 8,
            "uploadThroughput": BITS_PER_SECOND / 8,
        },
    )


def measure(page: Page, address: str) -> tuple[int, int]:
    """Return the milliseconds until the first text and until all of a page is there."""
    page.goto(address, wait_until="load")
    # Not wait_for_function: the pages forbid the evaluation of strings.
    painted = eventually(lambda: page.evaluate(_PAINTED), f"the first text of {address}")
    loaded = eventually(lambda: page.evaluate(_LOADED), f"the end of {address}")
    return round(painted), round(loaded)
