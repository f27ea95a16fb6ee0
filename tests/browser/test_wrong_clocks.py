"""A gateway beside the installation's, on a machine whose clock is wrong: its pages tell the same.

Both are asked by one browser, as behind a balancer: cookies know no port.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from deploy.demo.person import Person
from deploy.embedded.process_settings import settings_of
from tests.browser.bank import Bank
from tests.browser.instruction import log_in
from tests.browser.plain_client import PlainClient
from tests.browser.site import Site, Visitors
from tests.browser.visitor import Visitor
from tests.faults.injectors.circumstances import can_compile, compiled
from tests.faults.injectors.clock import SOURCE
from tests.gateway_process import gateway_process

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

APART = pytest.mark.parametrize(
    ("minutes", "language", "account"), [(10, "ru", "0100000017"), (-10, "en", "0100000023")]
)
CODES_PAGE = "/settings/security/recovery-codes"


@pytest.fixture(scope="module")
def bank(site: Site) -> Iterator[Bank]:
    bank = Bank(site)
    yield bank
    bank.switch_on()


@contextmanager
def other_gateway(site: Site, folder: Path, minutes: int) -> Iterator[str]:
    """Run a gateway whose clock is ahead; yield its address, under the site's name."""
    if not can_compile():
        pytest.skip("there is no compiler")
    (folder / "circumstances").mkdir()
    house: Any = SimpleNamespace(folder=folder)
    offset = folder / "offset"
    offset.write_text(f"{60 * minutes:+d}\n", encoding="ascii")
    settings = settings_of("gateway", site.environment)
    clock = {"LD_PRELOAD": str(compiled(house, SOURCE)), "JUMPING_CLOCK_FILE": str(offset)}
    with gateway_process({**settings, **clock}) as gateway:
        parts = urlsplit(site.url)
        yield f"{parts.scheme}://{parts.hostname}:{gateway.address[1]}"


@APART
def test_a_gateway_with_a_wrong_clock_tells_and_opens_the_same(
    site: Site,
    bank: Bank,
    visitors: Visitors,
    tmp_path: Path,
    minutes: int,
    language: str,
    account: str,
) -> None:
    person = site.new_person(account).person
    with other_gateway(site, tmp_path, minutes) as url:
        visitor = visitors.open(
            f"wrong-clock-{language}", url=url, scripts=False, width=320, language=language
        )
        visitor.open("/")
        log_in(visitor, person.email, person.own_password)
        visitor.page.wait_for_url("**/accounts")
        _waits_for_the_bank(visitor, bank, account)
        _shows_the_notice_of_another(url, site, person)


def _waits_for_the_bank(visitor: Visitor, bank: Bank, account: str) -> None:
    """Start a payment whose page is lost on its way, look at it, and come back by «back»."""
    bank.switch_on(lose_register_answer=True)
    visitor.open("/pay")
    visitor.fill(**{f"amount-{account}": "10", f"penalty-{account}": "0"})
    visitor.click("Заплатить")
    visitor.page.wait_for_url("**/go")
    visitor.sees("Открываем страницу банка…")
    visitor.look("going-to-the-bank")
    visitor.click("Что с платежом", "link")
    visitor.page.wait_for_url(lambda address: not address.endswith("/go"))
    visitor.sees("Платёж ещё не начат")
    visitor.look("payment")
    visitor.page.go_back()
    visitor.sees("Открываем страницу банка…")
    bank.switch_on()
    visitor.page.wait_for_url(f"{bank.url}/**")


def _shows_the_notice_of_another(url: str, site: Site, person: Person) -> None:
    """Save something at the one gateway, and see the other one say so."""
    first, other = PlainClient(site.url, person), PlainClient(url)
    for one, next_ in ((first, other), (other, first)):
        next_.cookies = one.cookies
        form = one.form("/settings", "/settings") | {"full_name": "Иванов Иван"}
        assert one.post("/settings", form).headers["Location"] == "/settings"
        assert "Сохранено." in next_.get("/settings").text
