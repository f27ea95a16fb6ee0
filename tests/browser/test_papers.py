"""The act of reconciliation and the certificate of no debt, on a phone and without scripts."""

from __future__ import annotations

from uuid import uuid4

import pypdfium2
import pytest

from deploy.demo.acquirer_page import Payer
from deploy.demo.client import PaymentLine
from deploy.demo.journey import wait_until_completed
from deploy.demo.person import Journey
from tests.browser.instruction import log_in
from tests.browser.site import Site, Visitors
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.nodes, pytest.mark.slow]


def downloaded(visitor: Visitor, part: str) -> str:
    """Return the text of the PDF to which a link leads whose address has a part."""
    link = visitor.page.get_by_role("main").locator(f"a[href*='{part}']")
    language = {"Accept-Language": visitor.language}
    response = visitor.page.request.get(str(link.get_attribute("href")), headers=language)
    assert response.headers["content-type"] == "application/pdf", response.text()
    pages = pypdfium2.PdfDocument(response.body())
    return " ".join(" ".join(page.get_textpage().get_text_bounded() for page in pages).split())


def pay_all(journey: Journey, number: str) -> None:
    client = journey.client
    debt = client.call("GET", f"/accounts/{number}/debt")
    line = PaymentLine(number, debt["principal"], debt["penalty"])
    payment = client.start_payment([line], str(uuid4()))
    Payer().pay(payment["redirect_url"])
    wait_until_completed(client, payment["payment_id"])


@pytest.mark.parametrize(
    ("language", "number", "act", "certificate"),
    [
        ("ru", "0100000021", "Акт сверки взаимных расчётов", "задолженности по лицевому счёту нет"),
        ("en", "0100000022", "Act of reconciliation", "nothing is owed on the account"),
    ],
)
def test_papers_are_one_link_away(
    visitors: Visitors, site: Site, language: str, number: str, act: str, certificate: str
) -> None:
    journey = site.new_person(number)
    how = {"scripts": False, "width": 320, "language": language}
    visitor = visitors.open(f"papers-{language}", **how)
    visitor.open("/")
    log_in(visitor, journey.person.email, journey.person.own_password)
    visitor.open(f"/accounts/{number}")
    visitor.click("Выписка и акт сверки", "link")
    visitor.look("statement")
    assert act in downloaded(visitor, "reconciliation.pdf")

    visitor.open(f"/accounts/{number}")
    visitor.click("Справка об отсутствии задолженности", "link")
    visitor.look("in-debt")
    assert number in downloaded(visitor, "kind=debt")
    visitor.click("Оплатить", "link")
    assert visitor.heading == visitor.words("Оплатить")
    pay_all(journey, number)
    visitor.open(f"/accounts/{number}/certificate")
    visitor.look("paid")
    assert certificate in downloaded(visitor, "certificate.pdf")
    visitor.fill(on="31.12.2099")
    visitor.click("Показать")
    visitor.look("wrong-day")
    assert visitor.error_of("on")
