"""A chart and the QR code of a bill say what the text beside them says."""

from __future__ import annotations

import io
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from tests.browser.addresses import Resident, new_resident
from tests.browser.instruction import log_in
from tests.browser.site import Site, Visitors
from tests.browser.visitor import Visitor
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

_RECTANGLES = """() => [...document.querySelectorAll("svg.chart rect")].map(rect => ({
  title: rect.querySelector("title")?.textContent ?? "",
  series: [...rect.classList].find(name => /^s\\d+$/.test(name)),
  x: Number(rect.getAttribute("x")),
  height: Number(rect.getAttribute("height")),
}))"""
_TABLE = """() => {
  const table = document.querySelector("figure + details table, figure ~ details table");
  const names = [...table.tHead.rows[0].cells].slice(1, -1).map(cell => cell.textContent.trim());
  return [...table.tBodies[0].rows].flatMap(row => {
    const month = row.cells[0].textContent.trim();
    return names.map((name, index) => ({
      month, name, series: `s${index + 1}`,
      value: Number(row.cells[index + 1].querySelector("data").value),
      text: row.cells[index + 1].textContent.trim(),
    }));
  });
}"""
TENTH_OF_A_PIXEL = 0.06


@pytest.fixture(scope="module")
def resident(site: Site) -> Resident:
    return new_resident(site, "0100000026", "0100000027")


@pytest.fixture
def visitor(visitors: Visitors, resident: Resident) -> Visitor:
    """The resident's browser, signed in."""
    visitor = visitors.open("charts")
    visitor.open("/")
    log_in(visitor, resident.journey.person.email, resident.journey.person.own_password)
    visitor.page.wait_for_url("**/accounts")
    return visitor


def test_a_chart_has_an_equal_table(visitor: Visitor, resident: Resident) -> None:
    visitor.open(resident.at("/charges?account={account}"))
    drawn: list[dict[str, Any]] = visitor.page.evaluate(_RECTANGLES)
    cells = [cell for cell in visitor.page.evaluate(_TABLE) if cell["value"] > 0]
    assert len(cells) >= 12, "months times services"
    by_title = {one["title"]: one for one in drawn}
    assert len(by_title) == len(drawn) == len(cells)
    scale = max(one["height"] for one in drawn) / max(cell["value"] for cell in cells)
    for cell in cells:
        rectangle = by_title[f"{cell['name']}, {cell['month']}: {cell['text']}"]
        assert rectangle["series"] == cell["series"]
        assert abs(rectangle["height"] - cell["value"] * scale) < TENTH_OF_A_PIXEL * 2, cell
    months = list(dict.fromkeys(cell["month"] for cell in cells))
    places = {cell["month"]: set[float]() for cell in cells}
    for cell in cells:
        places[cell["month"]].add(by_title[f"{cell['name']}, {cell['month']}: {cell['text']}"]["x"])
    assert all(len(place) == 1 for place in places.values()), "a month is one column"
    assert sorted(months, key=lambda month: min(places[month])) == months


@pytest.mark.parametrize("width", [320, 1280])
def test_the_code_of_a_bill_is_read_from_the_screen(
    visitor: Visitor, resident: Resident, width: int
) -> None:
    visitor.page.set_viewport_size({"width": width, "height": 900})
    visitor.open(resident.at("/accounts/{account}/bills/2026-10"))
    payees = visitor.page.locator("section", has=visitor.page.locator(".qr"))
    assert payees.count() >= 1
    for payee in payees.all():
        code = payment_code(payee.locator(".qr").screenshot())
        text = " ".join(payee.inner_text().split())
        for name in ("PersonalAcc", "BIC", "PayeeINN"):
            assert code[name] in text, f"{name} stands beside the code"
        assert code["Name"] == payee.locator("h3").inner_text()
        assert code["PersAcc"] == resident.facts["account"]
        total = int(code["Sum"]) + int(code.get("AddAmount", 0))
        assert str(total) == payee.locator("data").first.get_attribute("value")


@pytest.mark.parametrize("width", [320, 1280])
def test_the_code_of_a_receipt_leads_to_the_check(
    visitor: Visitor, resident: Resident, site: Site, width: int
) -> None:
    visitor.page.set_viewport_size({"width": width, "height": 900})
    visitor.open(resident.at("/payments/{paid}/receipt"))
    code = visitor.page.locator(".qr")

    def is_sealed() -> bool:
        if code.count():
            return True
        visitor.page.reload()
        return False

    eventually(is_sealed, "the seal follows the payment by some seconds")
    assert code_in(code.screenshot()) == f"{site.url}/verify"


def payment_code(png: bytes) -> dict[str, str]:
    """Return the fields of a payment code (ГОСТ Р 56042) in a picture."""
    service, *fields = code_in(png).split("|")
    assert service.startswith("ST0001")
    return dict(field.split("=", 1) for field in fields)


def code_in(png: bytes) -> str:
    """Return the text of the one QR code in a picture."""
    [found] = zxingcpp.read_barcodes(Image.open(io.BytesIO(png)))
    text: str = found.text
    return text
