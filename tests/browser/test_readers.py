"""What reads the pages notices what it is there to notice."""

from __future__ import annotations

import pytest

from tests.browser.bank_modes import FAILED, OPEN, PAID
from tests.browser.honesty import read_main
from tests.browser.link import CONNECT, FIRST_FLIGHT, Costs, Fetched
from tests.browser.numbers import read_sums

AGAIN = '<a href="/pay?account=1">Заплатить другой картой</a>'


@pytest.mark.parametrize(
    ("heading", "rest", "denies", "affirms", "outcome"),
    [
        ("Ждём ответ банка", "<a href='/payments/1'>Платёж</a>", False, False, OPEN),
        ("Банк пока не ответил", "Не платите второй раз", False, False, OPEN),
        ("Платёж ещё не начат", "Карта не тронута", True, False, OPEN),
        ("Банк подтвердил 10,00 ₽", "Зачисляем на счета", False, True, OPEN),
        ("Оплачено 10,00 ₽, 3 мая", "Деньги зачислены", False, True, PAID),
        ("Банк отклонил платёж", f"Деньги не списаны. {AGAIN}", True, False, FAILED),
        ("Время на оплату вышло", AGAIN, True, False, FAILED),
    ],
)
def test_pages_of_payments_are_understood(
    heading: str, rest: str, denies: bool, affirms: bool, outcome: str
) -> None:
    page = f"<a href='/pay'>Оплатить</a><main><h1>{heading}</h1><p>{rest}</p></main>"
    said = read_main(page)
    assert (said.denies, said.affirms, said.outcome) == (denies, affirms, outcome)


def row(*values: int, attributes: str = "") -> str:
    cells = "".join(f'<td><data value="{value}">x</data></td>' for value in values)
    return f"<tr {attributes}><th>x</th>{cells}</tr>"


@pytest.mark.parametrize(("total", "right"), [(130, True), (131, False)])
def test_tables_are_added_up(total: int, right: bool) -> None:
    body = row(1, 100) + row(2, 50) + row(20, attributes="data-subtracted")
    page = f"<main><table><tbody>{body}</tbody><tfoot>{row(total)}</tfoot></table></main>"
    (addition,) = read_sums(page).additions()
    assert addition.is_right == right


def test_lists_of_figures_are_added_up() -> None:
    parts = [("data-aside", 9), ("", 1), ("", 2), ('class="total"', 3)]
    rows = "".join(f'<div {one}><dd><data value="{value}"></dd></div>' for one, value in parts)
    (addition,) = read_sums(f'<main><dl class="facts figures">{rows}</dl></main>').additions()
    assert (addition.total.value, addition.addends) == (3, [1, 2])


def test_rows_are_added_up_where_the_table_says_so() -> None:
    page = f"<main><table data-across><tbody>{row(1, 2, 3)}{row(1, 2, 4)}</tbody></table></main>"
    assert [addition.is_right for addition in read_sums(page).additions()] == [True, False]


def test_the_answer_and_the_links_of_a_page_are_found() -> None:
    page = (
        '<a href="/look"></a><main><p class="answer"><data value="5">x</data></p>'
        '<p><data value="7">x</data><a href="/pay">x</a></p></main><data value="9">x</data>'
    )
    sums = read_sums(page)
    assert [(number.value, number.is_answer) for number in sums.numbers] == [(5, True), (7, False)]
    assert sums.links == ["/pay"]


def test_time_on_a_link_follows_from_bytes_and_round_trips() -> None:
    page = [
        Fetched("/", "Document", 5_000),
        Fetched("/static/a.css", "Stylesheet", 5_000),
        Fetched("/static/a.js", "Script", 2_500),
    ]
    costs = Costs(page)
    assert costs.first_text_s == pytest.approx((CONNECT + 2) * 0.4 + 0.2)
    assert costs.whole_s == pytest.approx((2 * CONNECT + 2) * 0.4 + 0.25)
    assert not costs.unforeseen
    large = Fetched("/large", "Image", FIRST_FLIGHT + 1)
    late = Fetched("/late", "Image", 1, from_document=False)
    assert Costs([*page, large, late]).unforeseen == ["/large", "/late"]
