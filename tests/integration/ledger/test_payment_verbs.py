"""``saldo ledger pay | find-payment | advances``: payments that staff post, and find again."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest

from services.ledger.commands import advances
from shared.errors import ServiceError
from tests.integration.ledger.small_company import CLERK, NUMBERS, SmallCompany, net
from tests.staff_terminal import ServicesHere, staff_amqp_url

pytestmark = pytest.mark.nodes

NUMBER = NUMBERS[4]
CASHIER = "kassirova"
PAY = ("pay", NUMBER, "--amount", "150,00", "--on", "2026-05-20", "--reason", "cash order")


@pytest.fixture
def desk(company: SmallCompany) -> SmallCompany:
    for permission in ("post-payment", "read"):
        company.may(CASHIER, permission)
    return company


def pays(company: SmallCompany, *more: str, by: str = CASHIER) -> Any:
    result = company.run(*PAY, *more, "--json", by=by)
    assert result.exit_code == 0, (result.output, result.exception)
    # The service runs in this process, and may log a line.
    return json.loads(result.stdout.splitlines()[-1])


def refusal(company: SmallCompany, *words: str, by: str = CASHIER) -> str:
    return company.refused(*words, by=by)


def test_a_cashier_posts_a_payment_once(desk: SmallCompany) -> None:
    before = desk.run_json("balance", NUMBER)
    shown = pays(desk, "--dry-run")
    assert desk.run_json("balance", NUMBER) == before
    assert (shown["state"], net(shown["before"][0])) == ("dry_run", net(before))
    assert net(shown["difference"][0]) == -150_00
    for repeated in (False, True):
        done = pays(desk)
        assert (done["state"], done["repeated"]) == ("done", repeated)
        assert done["payment_id"] == shown["payment_id"]
        assert done["accounts"] == shown["accounts"]
        assert done["allocation"] == shown["allocation"]
    assert pays(desk, "--dry-run")["repeated"]
    assert net(desk.run_json("balance", NUMBER)) == net(before) - 150_00
    last = desk.run_json("replay", NUMBER)[-1]
    assert last["actor"] == f"staff:{CASHIER}"
    assert last["event"]["taken"] == {"place": "cash_desk", "reason": "cash order"}
    assert desk.run("audit").exit_code == 0


def test_whoever_repeats_a_payment_does_not_post_it_again(desk: SmallCompany) -> None:
    first = pays(desk)
    desk.may("second", "post-payment")
    desk.may("third", "post-payment", 1_000_00)
    for by in ("second", "third"):
        again = pays(desk, "--reason", "from the list", by=by)
        assert (again["payment_id"], again["repeated"]) == (first["payment_id"], True)


def test_a_payment_entered_twice_at_once_is_posted_once(desk: SmallCompany) -> None:
    services = ServicesHere({"ledger": desk.store}, staff_amqp_url(CASHIER))
    asked: dict[str, Any] = {"account": NUMBER, "amount": 1_00, "place": "bank", "reason": "list 4"}
    with ThreadPoolExecutor(8) as pool:
        results = list(
            pool.map(lambda _: services.call("ledger", "take_payment", **asked), range(8))
        )
    assert len({result["payment_id"] for result in results}) == 1
    assert [row["account"] for row in desk.rows("payment_postings")].count(NUMBER) == 1 + sum(
        number == NUMBER for number, *_ in desk.payments.values()
    )


def test_documents_tell_equal_payments_of_a_day_apart(desk: SmallCompany) -> None:
    before = net(desk.run_json("balance", NUMBER))
    ids = {pays(desk, "--document", number)["payment_id"] for number in ("117", "118", "118")}
    assert len(ids) == 2
    ids |= {pays(desk)["payment_id"], pays(desk, "--at", "bank")["payment_id"]}
    assert len(ids) == 4
    assert net(desk.run_json("balance", NUMBER)) == before - 4 * 150_00
    other = ("pay", NUMBER, "--amount", "160,00", "--on", "2026-05-20", "--document", "117")
    for dry in ((), ("--dry-run",)):
        error = refusal(desk, *other, "--reason", "r", *dry)
        assert "Document 117 of 2026-05-20 is posted to" in error


def test_a_named_month_and_a_penalty_are_paid(desk: SmallCompany) -> None:
    number, month = next(
        (row["number"], max(row["open_items"]))
        for row in desk.rows("balances")
        if len(row["open_items"]) > 1
    )
    before = desk.run_json("balance", number)
    words = ("pay", number, "--amount", "1,00", "--penalty", "0,01", "--reason", "cash order")
    done = desk.run_json(*words, "--period", month, by=CASHIER)
    assert {part["period"] for part in done["allocation"]} == {month}
    after = desk.run_json("balance", number)
    assert after["principal"] == before["principal"] - 1_00
    assert after["penalty_due"] == before["penalty_due"] - 1


def test_a_reversed_payment_says_so_when_it_is_entered_again(desk: SmallCompany) -> None:
    paid = pays(desk)
    desk.run_json("reverse", paid["payment_id"], "--reason", "another account")
    again = pays(desk)
    assert (again["repeated"], again["reversed"]) == (True, True)
    assert "is reversed" in desk.run(*PAY, by=CASHIER).stdout
    assert not pays(desk, "--document", "117a")["repeated"]


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        (("--on", "2099-01-01"), "2099-01-01"),
        (("--on", "1926-01-01"), "typing error"),
        (("--on", "2026-W05-1"), "write it like 2026-10-31"),
        (("--amount", "0"), "nothing"),
        (("--amount", "-5,00"), "positive"),
        (("--amount", "five"), "write it like 4500,00"),
        (("--period", "0001-01"), "a month is written"),
        (("--period", "2026-13"), "a month is written"),
        (("--document", "a\x07b"), "printable"),
        (("--document", "1" * 65), "document"),
        (("--reason", " "), "--reason: say why"),
    ],
)
def test_what_is_no_payment_is_refused(
    shared_company: SmallCompany, more: tuple[str, ...], fault: str
) -> None:
    shared_company.may(CASHIER, "post-payment")
    for dry in ((), ("--dry-run",)):
        assert fault in refusal(shared_company, *PAY, *more, *dry)


def test_tomorrow_and_an_unknown_account_are_refused(shared_company: SmallCompany) -> None:
    shared_company.may(CASHIER, "post-payment")
    tomorrow = shared_company.store.clock.today() + timedelta(days=1)
    assert "Nobody has paid" in refusal(shared_company, *PAY, "--on", tomorrow.isoformat())
    for dry in ((), ("--dry-run",)):
        words = ("pay", "999", *PAY[2:], *dry)
        assert "no such account" in refusal(shared_company, *words)


def test_only_who_is_granted_it_posts_and_within_his_limit(desk: SmallCompany) -> None:
    assert "post-payment" in refusal(desk, *PAY, by=CLERK)
    desk.may(CASHIER, "post-payment", 200_00)
    pays(desk)
    for dry in ((), ("--dry-run",)):
        more = ("pay", NUMBERS[0], *PAY[2:], *dry)
        assert "50,00" in refusal(desk, *more)
    assert pays(desk)["repeated"], "a repeat moves nothing"


def test_the_payer_sees_a_payment_at_a_cash_desk(desk: SmallCompany) -> None:
    paid = pays(desk, "--document", "117")
    gateway = ServicesHere({"ledger": desk.store}, "amqp://gateway:x@127.0.0.1:1/")
    movements = gateway.call("ledger", "statement", number=NUMBER)["movements"]
    assert movements[-1]["kind"] == "payment"
    assert movements[-1]["text"] == "Оплата в кассе: № 117"
    assert "cash order" not in json.dumps(movements), "why is not the payer's"
    assert movements[-1]["payment_id"] == paid["payment_id"]


def test_a_payment_is_found_by_what_is_known_of_it(desk: SmallCompany) -> None:
    paid = pays(desk, "--document", "117", "--penalty", "3,00")
    id_ = paid["payment_id"]
    ways: list[tuple[str, ...]] = [
        (id_,),
        (id_.upper(),),
        (id_[:8],),
        (id_[10:20],),
        ("--account", NUMBER, "--on", "2026-05-20", "--amount", "150,00"),
        ("--on", "2026-05-20", "--amount", "153,00"),
        ("--amount", "150,00"),
    ]
    for words in ways:
        for database in ({}, {"SALDO_DATABASE_URL_LEDGER": "", "SALDO_STAFF_DATABASE_URL": ""}):
            result = desk.run("find-payment", *words, "--json", by=CASHIER, **database)
            assert result.exit_code == 0, result.output
            found = json.loads(result.stdout)
            [payment] = found["payments"]
            assert payment["payment_id"] == id_
            assert (payment["amount"], payment["penalty"]) == (150_00, 3_00)
            assert (payment["place"], payment["document"]) == ("cash_desk", "117")
            assert (payment["actor"], payment["reversed"]) == (f"staff:{CASHIER}", None)
    desk.run_json("reverse", id_, "--reason", "another account")
    [payment] = desk.run_json("find-payment", id_)["payments"]
    assert payment["reversed"]["reason"] == "another account"
    shown = desk.run("find-payment", id_).stdout
    assert "another account" in shown
    assert id_ in shown


def test_payments_of_a_day_are_all_found_and_counted(shared_company: SmallCompany) -> None:
    day = date(2026, 3, 20)
    words = ("find-payment", "--on", day.isoformat())
    found = shared_company.run_json(*words)["payments"]
    expected = {
        str(id_)
        for id_, (number, *_) in shared_company.payments.items()
        if _paid_on(shared_company, number, str(id_)) == day.isoformat()
    }
    assert len(expected) > 1
    assert {payment["payment_id"] for payment in found} == expected
    positions = [payment["position"] for payment in found]
    assert positions == sorted(positions, reverse=True)
    some = shared_company.run_json(*words, "--limit", "2")
    assert (some["payments"], some["more"]) == (found[:2], True)


def _paid_on(company: SmallCompany, number: str, payment_id: str) -> str | None:
    for step in company.run_json("replay", number):
        if step["kind"] == "payment" and step["payment_id"] == payment_id:
            return str(step["effective_on"])
    return None


@pytest.mark.parametrize(
    "words", [(), ("abc",), ("%",), ("x' OR true--",), ("--account", "999"), ("--on", "soon")]
)
def test_what_finds_no_payment_is_refused(
    shared_company: SmallCompany, words: tuple[str, ...]
) -> None:
    assert shared_company.refused("find-payment", *words)


def test_nothing_found_is_said(shared_company: SmallCompany) -> None:
    result = shared_company.run("find-payment", "--amount", "0,99")
    assert (result.exit_code, result.stdout.strip()) == (0, "No payment fits.")


def test_statement_and_history_show_the_ids_that_reverse_asks_for(
    shared_company: SmallCompany,
) -> None:
    for payment_id, (number, *_) in shared_company.payments.items():
        for verb in ("statement", "replay"):
            assert str(payment_id) in shared_company.run(verb, number).stdout


def test_advances_are_those_of_the_accounts_page_by_page(
    shared_company: SmallCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {row["number"]: row["advance"] for row in shared_company.rows("balances")}
    expected = {number: sum_ for number, sum_ in expected.items() if sum_}
    assert len(expected) > 1
    for page in (200, 1):
        monkeypatch.setattr(advances, "_PAGE", page)
        for database in ({}, {"SALDO_DATABASE_URL_LEDGER": "", "SALDO_STAFF_DATABASE_URL": ""}):
            result = shared_company.run("advances", "--json", **database)
            assert result.exit_code == 0, result.output
            found = json.loads(result.stdout)
            assert {a["number"]: a["advance"] for a in found["accounts"]} == expected
            assert (found["count"], found["total"]) == (len(expected), sum(expected.values()))
    shown = shared_company.run("advances").stdout
    assert all(number in shown for number in expected)


def test_an_advance_is_as_old_as_it_is_without_a_break(shared_company: SmallCompany) -> None:
    for account in shared_company.run_json("advances")["accounts"]:
        since, number = date.fromisoformat(account["since"]), account["number"]
        assert shared_company.as_of(number, since).advance > 0
        before = shared_company.as_of(number, since - timedelta(days=1))
        assert before.advance == 0


def test_a_caller_without_the_permission_reads_nothing(shared_company: SmallCompany) -> None:
    services = ServicesHere({"ledger": shared_company.store}, "amqp://gateway:x@127.0.0.1:1/")
    methods: dict[str, Any] = {"advances": {}, "find_payments": {"part": "abcd"}}
    for method, asked in methods.items():
        with pytest.raises(ServiceError) as refused:
            services.call("ledger", method, **asked)
        assert refused.value.code == "caller_not_served"
