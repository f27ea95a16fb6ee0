"""Every number opens: tables add up to the kopeck, and a page's answer is at most two clicks away
from its addends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from deploy.demo.demo_person import Card
from deploy.demo.person import Person
from tests.browser.numbers import Number, Sums, read_sums
from tests.browser.plain_client import PlainClient
from tests.browser.site import Site

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

TABS = ("/accounts", "/charges", "/pay", "/payments", "/settings", "/questions")
CLICKS = 2
READERS = 4
MOST_LINKED = 10
_NOT_FOLLOWED = re.compile(
    r"/(look|documents|static|glossary|api|verify|questions/new)|.*\.\w{3,4}$"
)


@pytest.fixture(scope="module")
def pages(site: Site, demo_person: Card) -> Mapping[str, Sums]:
    """All pages that the demo person reaches by links, by their addresses."""
    person = Person(email=demo_person.email, own_password=demo_person.password)
    client = PlainClient(site.url, person)
    found: dict[str, Sums] = {}
    ahead = set(TABS)
    while ahead:
        found |= read_all(client, ahead)
        ahead = {link for address in ahead for link in links_of(address, found[address])}
        ahead -= found.keys()
    return found


def test_tables_of_the_demo_person_add_up(pages: Mapping[str, Sums]) -> None:
    assert len(pages) > 100, "each month of each account has a page and a bill"
    assert sum(len(list(sums.additions())) for sums in pages.values()) > 300
    assert not list(wrong(pages.items()))


def test_answers_open_into_their_addends(pages: Mapping[str, Sums]) -> None:
    closed = []
    for address, sums in pages.items():
        within_reach = [pages[one] for one in reached(pages, address)]
        totals = {abs(one.total.value) for near in within_reach for one in near.additions()}
        for number in sums.numbers:
            if number.is_answer and number.value and abs(number.value) not in totals:
                closed.append((address, number.value))
    assert not closed


def test_what_is_due_is_the_sum_of_the_accounts(pages: Mapping[str, Sums]) -> None:
    (answer,) = [number.value for number in pages["/accounts"].numbers if number.is_answer]
    owed = []
    for number in accounts_on(pages):
        statement, penalty = (
            pages[f"/accounts/{number}/{name}"] for name in ("statement", "penalty")
        )
        closing = list(statement.additions())[-1].total.value
        # A statement has what is accrued; the page of the penalty, what has grown since.
        _accrued, since = [one.value for one in penalty.numbers if one.section == "tbody"][:2]
        owed.append(max(0, closing + since))
    assert answer == sum(owed)


def test_months_of_all_accounts_add_up(site: Site) -> None:
    numbers = [account.number for account in site.accounts]
    checked = 0
    for start in range(0, len(numbers), MOST_LINKED):
        chosen = numbers[start : start + MOST_LINKED]
        client = PlainClient(site.url, site.new_person(*chosen).person)
        addresses = [
            address
            for number in chosen
            for address in (
                f"/charges?account={number}&open=all",
                f"/accounts/{number}/statement?from=01.01.2025",
                f"/accounts/{number}/penalty",
            )
        ]
        found = read_all(client, addresses)
        assert not list(wrong(found.items()))
        checked += sum(len(list(sums.additions())) for sums in found.values())
    assert checked > len(numbers) * 12


def wrong(pages: Iterable[tuple[str, Sums]]) -> Iterator[str]:
    """Yield what does not add up, and balances that do not follow from the movements."""
    for address, sums in pages:
        for addition in sums.additions():
            if not addition.is_right:
                yield f"{address}: {addition.total} is not the sum of {addition.addends}"
        if "/statement" in address:
            yield from wrong_balances(address, sums)


def wrong_balances(address: str, sums: Sums) -> Iterator[str]:
    """Yield where opening balance and movements do not make the running balance."""
    rows: dict[int, list[Number]] = {}
    opening = 0
    for number in sums.numbers:
        if number.table == 1 and number.section == "tbody":
            rows.setdefault(number.row, []).append(number)
        elif number.table == 1:
            opening = number.value
    balance = opening
    for amount, shown in (row for row in rows.values() if len(row) == 2):
        balance += amount.value
        if balance != shown.value:
            yield f"{address}: {balance} and not {shown}"


def read_all(client: PlainClient, addresses: Iterable[str]) -> dict[str, Sums]:
    """Return the sums of some pages, by their addresses."""
    wanted = list(addresses)
    with ThreadPoolExecutor(READERS) as pool:
        return dict(zip(wanted, pool.map(partial(read, client), wanted), strict=True))


def read(client: PlainClient, address: str) -> Sums:
    """Return the sums of a page; of none that is no page."""
    response = client.get(address)
    html = response.headers.get("Content-Type", "").startswith("text/html")
    assert response.status_code in {200, 303, 409}, f"{address}: {response.status_code}"
    return read_sums(response.text) if html else Sums()


def links_of(address: str, sums: Sums) -> Iterator[str]:
    """Yield the addresses of the person's pages to which a page has links."""
    for link in sums.links:
        target = link.partition("#")[0]
        if target.startswith("?"):
            target = address.partition("?")[0] + target
        if target.startswith("/") and not _NOT_FOLLOWED.match(target.partition("?")[0]):
            yield target


def reached(pages: Mapping[str, Sums], address: str) -> set[str]:
    """Return the pages that are at most two clicks away, this one included."""
    near = {address}
    for _ in range(CLICKS):
        near |= {link for one in near for link in (*links_of(one, pages[one]), *TABS)}
        near &= pages.keys()
    return near


def accounts_on(pages: Mapping[str, Sums]) -> set[str]:
    """Return the numbers of the accounts that the pages are about."""
    found = (re.match(r"/accounts/(\d+)/statement$", address) for address in pages)
    return {match[1] for match in found if match}
