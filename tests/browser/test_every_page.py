"""Every page is accessible, fits every screen, and is light."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.breadth import WHOLE, one_in_turn
from tests.browser import measuring
from tests.browser.addresses import ADDRESSES, OTHERS, WITHOUT_LOG_IN, Resident, new_resident
from tests.browser.instruction import log_in
from tests.browser.measuring import Weight
from tests.browser.site import Site, Visitors
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

WIDTHS = (320, 720, 1280)
EXAMINED = {"ru": (320, 1280), "en": (320,)}
"""Widths at which all rules are tried: on a telephone and beside it the tabs are others."""
SIZES = ("100", "150", "200")
LARGEST = SIZES[-1:]
THEMES = ("dark", "contrast")
FIRST_SCREEN = 500
"""CSS pixels that the smallest telephones show."""
FIRST_VISIT, LATER_PAGE = 20_000, 8_000
"""Bytes over the network, headers included."""


@pytest.fixture(scope="module")
def resident(site: Site) -> Resident:
    return new_resident(site, "0100000011", "0100000012")


@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_page_is_accessible_and_fits(
    visitors: Visitors, resident: Resident, language: str
) -> None:
    # The rule of contrast takes most of the time: a page is tried with one look and at one width.
    visitor = visitors.open(f"pages-{language}", language=language)
    for place, address in enumerate(addresses_of(visitor, resident)):
        visitor.open(address)
        assert visitor.page.locator("h1").count() == 1, address
        if language == "ru":  # colours are the same in each language
            for theme in one_in_turn(THEMES, place // 2):
                measuring.change_look(visitor.page, theme)
                visitor.note(f"{address} {theme}", measuring.axe(visitor.page, measuring.COLOURS))
        in_colour = one_in_turn(EXAMINED[language], place) if language == "ru" or WHOLE else ()
        at_the_largest = {WIDTHS[0], *one_in_turn(WIDTHS[1:], place)}
        for width in WIDTHS:
            visitor.page.set_viewport_size({"width": width, "height": 900})
            for size in SIZES if language == "ru" or WHOLE else LARGEST:
                measuring.change_look(visitor.page, "light", size)
                visitor.note(f"{address} {width} {size} %", measuring.overflow(visitor.page))
            if width in at_the_largest:
                found = measuring.axe(visitor.page, measuring.LAYOUT)
                visitor.note(f"{address} {width} 200 %", found)
            measuring.change_look(visitor.page, "light")
            if width in EXAMINED[language]:
                without = () if width in in_colour else measuring.COLOURS
                visitor.note(f"{address} {width}", measuring.axe(visitor.page, without=without))


@pytest.mark.parametrize("language", ["ru", "en"])
def test_on_the_smallest_phone_the_first_screen_says_what_to_pay_and_where(
    visitors: Visitors, resident: Resident, language: str
) -> None:
    visitor = visitors.open(f"first-screen-{language}", language=language, width=320)
    visitor.open("/")
    person = resident.journey.person
    log_in(visitor, person.email, person.own_password)
    first = visitor.page.locator(".card").first
    for part in (".owed .sum", ".owed .by", f"a[href='/pay?account={resident.facts['account']}']"):
        box = first.locator(part).bounding_box()
        assert box, part
        assert box["y"] + box["height"] <= FIRST_SCREEN, (part, box)
    after_heading = visitor.page.locator("h1 + *").inner_text()
    assert after_heading.startswith(visitor.words("К оплате"))


def test_the_first_visit_and_later_pages_are_light(visitors: Visitors, resident: Resident) -> None:
    visitor = visitors.open("weights")
    weight = Weight.of(visitor.network)
    weight.of_page(visitor.page, "/")
    first = weight.transferred
    heavy = []
    for address in addresses_of(visitor, resident):
        weight.of_page(visitor.page, address)
        if len(weight.requests) != 1 or weight.transferred > LATER_PAGE:
            heavy.append((address[:40], weight.transferred, list(weight.requests)))
    assert not heavy, heavy
    assert first + weight.transferred_static <= FIRST_VISIT, weight
    assert weight.static, "the style sheet is weighed"
    assert len(set(weight.static)) == len(weight.static), "each is fetched once"
    assert all("/static/" in picture for picture in weight.pictures)


@pytest.mark.parametrize("theme", ["dark", "contrast"])
def test_the_chosen_look_is_the_one_that_is_examined(visitors: Visitors, theme: str) -> None:
    visitor = visitors.open(f"look-{theme}")
    visitor.open("/look?next=/register")
    visitor.page.locator(f"input[value={theme}]").check()
    visitor.page.locator("input[name=size][value='200']").check()
    visitor.click("Применить")
    assert visitor.page.url.endswith("/register")
    html = visitor.page.locator("html")
    assert html.get_attribute("data-theme") == theme
    assert html.get_attribute("data-size") == "200"
    visitor.look(theme)


def addresses_of(visitor: Visitor, resident: Resident) -> Iterator[str]:
    """Yield the addresses of all pages; the log-in comes after those that need none."""
    for path in WITHOUT_LOG_IN:
        yield ADDRESSES[path]
    visitor.open("/")
    person = resident.journey.person
    log_in(visitor, person.email, person.own_password)
    visitor.page.wait_for_load_state("networkidle")
    for path, address in ADDRESSES.items():
        if path == "/pay/check":
            yield order_above_the_debt(visitor, resident)
        elif path not in WITHOUT_LOG_IN:
            yield resident.at(address)
    yield from map(resident.at, OTHERS)


def order_above_the_debt(visitor: Visitor, resident: Resident) -> str:
    """Return the address of the question that follows a sum above the debt."""
    visitor.open("/pay")
    visitor.fill(**{f"amount-{resident.facts['account']}": "99999"})
    visitor.click("Заплатить")
    path, _, query = visitor.page.url.removeprefix(visitor.url).partition("?")
    assert path == "/pay/check"
    visitor.open("/glossary")  # the same address again would be a reload, which asks for all anew
    return f"{path}?{query}"
