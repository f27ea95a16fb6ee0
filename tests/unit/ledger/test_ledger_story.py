"""The story of an account told anew, as sheets, as postings, as movements, and to others."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from services.ledger.domain import Account, account_id
from services.ledger.domain.allocation import DEFAULT_POLICY, Policy
from services.ledger.domain.double_entry import postings, trial_balance
from services.ledger.domain.effective_order import in_order_of_effect, retold
from services.ledger.domain.events import ACCOUNT_EVENTS, ChargeLine, ServiceAmount
from services.ledger.publishing import publish
from services.ledger.reports.statements import charges, statement
from services.ledger.reports.turnover import Row, Turnover
from shared.contracts.ledger import CONTRACTS
from shared.errors import NotFound
from shared.eventstore import Recorded

NUMBER = "0100000001"
ID = account_id(NUMBER)
OCTOBER, NOVEMBER = "2026-10", "2026-11"


def day(text: str) -> date:
    return date.fromisoformat(f"2026-{text}")


def an_account(on: str = "09-01", *opening: ServiceAmount) -> Account:
    account = Account(ID)
    account.open(NUMBER, "household", day(on), opening)
    return account


def bill(account: Account, on: str, period: str = OCTOBER, **sums: int) -> None:
    lines = [ChargeLine(service, service, amount, amount) for service, amount in sums.items()]
    account.post_charges(period, day(on), day(on), lines)


def eventful() -> Account:
    """An account to which everything happens once, each figure another one."""
    account = an_account("09-01")
    taken_over = [ServiceAmount("heating", 1_000), ServiceAmount("lift", -30)]
    account.post_opening(day("09-02"), taken_over)
    lines = [
        ChargeLine("heating", "Отопление", 470, 500, recalculation=-20, concession=10),
        ChargeLine("water", "Вода", -40, 60, recalculation=-100),
    ]
    account.post_charges(OCTOBER, day("10-31"), day("11-16"), lines)
    account.accrue_penalty(90, day("11-20"), "rule-1")
    paid = uuid4()
    account.post_payment(paid, day("11-21"), 1_500, 70)
    bill(account, "11-30", NOVEMBER, water=600)
    items = [ServiceAmount("heating", -300), ServiceAmount("waste", 25)]
    account.adjust_charges(uuid4(), OCTOBER, day("12-01"), items, "no heating")
    account.correct_penalty(-31, day("12-02"), "rule-1", "paid", through=day("11-21"))
    account.accrue_penalty(8, day("12-03"), "rule-1")
    account.write_off_penalty(3, day("12-04"), "a court said so")
    account.reverse_payment(paid, day("12-05"), "refused by the bank")
    return account


class Stream:
    """What the queries need of a session: the stream of one account."""

    def __init__(self, events: list[Any]) -> None:
        self._events = events

    def history(self, id: UUID) -> list[Recorded]:  # noqa: A002
        return [
            Recorded(
                originator_id=id,
                originator_version=place,
                position=place * 10,
                recorded_at=datetime(2026, 12, 31, 12, place, tzinfo=UTC),
                command_id=ID,
                actor="staff:test",
                correlation_id="",
                event=event,
            )
            for place, event in enumerate(self._events, 1)
        ]


# The order of effect.


def test_events_of_one_day_stand_as_they_were_recorded() -> None:
    account = an_account("09-01")
    account.accrue_penalty(2, day("09-05"), "b")
    account.accrue_penalty(1, day("09-01"), "a")
    account.accrue_penalty(3, day("09-05"), "c")
    rules = [event.rule for event in in_order_of_effect(account.pending)[1:]]  # type: ignore[attr-defined]
    assert rules == ["a", "b", "c"]


def test_what_was_taken_over_was_owed_before_all_that_happened() -> None:
    account = an_account("09-01", ServiceAmount("heating", 100))
    account.accrue_penalty(1, day("08-01"), "a")
    opening, accrual = retold(ID, account.pending)
    assert opening.effective_on == accrual.effective_on == day("08-01")
    assert opening.opening == (ServiceAmount("heating", 100),)


def test_an_account_that_has_only_been_opened_has_a_story() -> None:
    account = an_account()
    assert retold(ID, account.pending) == account.pending
    assert retold(ID, []) == []


def test_a_balance_taken_over_after_the_first_payments_was_owed_before_them() -> None:
    account = an_account("09-03")
    account.post_payment(uuid4(), day("08-20"), 150, 0)
    account.post_opening(day("09-10"), [ServiceAmount("heating", 100), ServiceAmount("lift", -5)])
    assert (account.principal, account.advance) == (0, 55)
    opened, opening, payment = retold(ID, account.pending)
    assert [event.effective_on for event in (opened, opening, payment)] == [day("08-20")] * 3
    assert (opening.settled, [part.amount for part in payment.settled]) == ((), [100])
    assert (opened.account, opening.opening) == (NUMBER, account.opening)


def test_a_balance_taken_over_before_the_account_was_opened_here_keeps_its_day() -> None:
    account = an_account("09-03")
    account.post_opening(day("08-31"), [ServiceAmount("heating", 100)])
    bill(account, "09-30", heating=50)
    told = retold(ID, account.pending)
    assert [event.effective_on for event in told] == [day("08-31"), day("08-31"), day("09-30")]
    assert told[2] is account.pending[2]


def test_what_was_recorded_in_order_is_told_as_it_was_recorded() -> None:
    events = eventful().pending
    told = retold(ID, events)
    assert told == events
    assert told[2] is events[2]


def test_a_payment_known_late_settles_what_was_owed_on_its_day() -> None:
    account = an_account("09-01", ServiceAmount("heating", 100))
    bill(account, "10-31", heating=50)
    account.post_payment(uuid4(), day("10-15"), 120, 0)
    _, payment, posted = retold(ID, account.pending)
    assert (payment.advance, [part.amount for part in payment.settled]) == (20, [100])
    assert [part.amount for part in posted.settled] == [20]


def test_a_payment_is_told_by_the_policy_that_it_was_posted_by() -> None:
    newest = Policy(name="newest", periods="newest_first", penalty="named_only")
    account = an_account("09-01", ServiceAmount("heating", 100))
    account.accrue_penalty(9, day("10-31"), "rule-1")
    bill(account, "10-31", heating=50)
    account.post_payment(uuid4(), day("11-05"), 50, None, first="2026-09", policy=newest)
    account.post_payment(uuid4(), day("11-04"), 1, 0)
    told = retold(ID, account.pending, {"newest": newest})
    assert [part.period for part in told[-1].settled] == [OCTOBER]
    assert (told[-1].penalty_named, told[-1].named_period) == (False, "2026-09")
    # A policy that is known no more: by the one that is in force.
    assert [part.period for part in retold(ID, account.pending)[-1].settled] == ["0001-01"]
    assert retold(ID, account.pending)[-1].policy == DEFAULT_POLICY.name


def test_a_waiver_of_what_turns_out_to_have_been_paid_is_given_back() -> None:
    account = an_account()
    account.accrue_penalty(100, day("10-01"), "rule-1")
    account.write_off_penalty(100, day("10-05"), "x")
    account.post_payment(uuid4(), day("10-03"), 0, 60)
    *_, payment, waiver = retold(ID, account.pending)
    assert (payment.penalty_settled, payment.advance) == (60, 0)
    assert (waiver.amount, waiver.advance) == (100, 60)


def test_a_correction_of_what_turns_out_to_have_been_paid_is_given_back() -> None:
    account = an_account()
    account.accrue_penalty(100, day("10-01"), "rule-1")
    account.write_off_penalty(30, day("10-02"), "x")
    account.correct_penalty(-90, day("10-05"), "rule-1", "x", through=day("10-05"))
    account.post_payment(uuid4(), day("10-03"), 0, 60)
    *_, correction = retold(ID, account.pending)
    assert (correction.amount, correction.waived, correction.advance) == (-90, 20, 60)


def test_corrections_told_anew_name_what_they_correct() -> None:
    account = eventful()
    account.accrue_penalty(1, day("08-01"), "late news")
    told = retold(ID, account.pending)
    assert [type(event).__name__ for event in told].count("PaymentReversed") == 1
    by_version = dict(enumerate(told, 1))
    reversal = next(event for event in told if type(event).__name__ == "PaymentReversed")
    assert by_version[reversal.corrects].payment_id == reversal.payment_id
    adjustment = next(event for event in told if type(event).__name__ == "ChargesAdjusted")
    assert by_version[adjustment.corrects].period == adjustment.period


# The turnover balance sheet.


def sheet(account: Account, first: str, last: str) -> dict[str, dict[str, int]]:
    made = Turnover(day(first), day(last))
    made.add_account(ID, account.pending)
    return {
        name: {column: amount for column, amount in row.as_dict().items() if amount}
        for name, row in made.rows.items()
    }


def test_a_sheet_has_a_row_for_each_service_and_for_penalty_and_advance() -> None:
    assert sheet(eventful(), "10-01", "12-31") == {
        "heating": {
            "opening": 1_000,
            "charged": 500,
            "recalculated": -320,
            "concession": 10,
            "paid": 70,
            "closing": 1_100,
        },
        "advance": {"opening": -30, "paid": -30},
        "water": {"charged": 660, "recalculated": -100, "paid": -40, "closing": 600},
        "penalty": {"penalty": 64, "closing": 64},
        "waste": {"recalculated": 25, "closing": 25},
    }


def test_a_sheet_has_what_was_paid_when_it_was_paid() -> None:
    account = eventful()
    assert sheet(account, "11-01", "11-30") == {
        "heating": {"opening": 1_400, "paid": 1_400},
        "advance": {},
        "water": {"charged": 600, "paid": 100, "closing": 500},
        "penalty": {"penalty": 90, "paid": 70, "closing": 20},
    }


def test_the_total_is_the_sum_of_the_rows() -> None:
    made = Turnover(day("10-01"), day("12-31"))
    assert made.total() == Row()
    made.add_account(ID, eventful().pending)
    assert made.total() == Row(
        opening=970, charged=1_160, recalculated=-395, concession=10, penalty=64, paid=0
    )
    assert made.total().closing == 1_789


def test_what_takes_effect_after_the_last_day_is_not_on_the_sheet() -> None:
    account = an_account("10-02", ServiceAmount("heating", 5))
    assert sheet(account, "09-01", "10-01") == {}
    assert sheet(account, "10-02", "10-02") == {"heating": {"opening": 5, "closing": 5}}
    account.accrue_penalty(7, day("10-03"), "rule-1")
    assert "penalty" not in sheet(account, "10-02", "10-02")
    assert sheet(account, "10-03", "10-03")["penalty"] == {"penalty": 7, "closing": 7}
    assert sheet(account, "10-04", "10-05")["penalty"] == {"opening": 7, "closing": 7}


def test_a_sheet_of_many_accounts_adds_them_up() -> None:
    made = Turnover(day("10-01"), day("12-31"))
    for _ in range(3):
        made.add_account(ID, eventful().pending)
    assert made.rows["heating"].closing == 3 * 1_100


# Double entry.


def test_each_event_has_its_postings() -> None:
    booked = {type(event).__name__: postings(event) for event in eventful().pending}
    assert booked["AccountOpened"] == []
    assert booked["OpeningPosted"] == [
        ("receivable:heating", 1_000),
        ("opening", -1_000),
        ("advances", -30),
        ("opening", 30),
    ]
    assert booked["ChargesPosted"] == [
        ("receivable:water", 600),
        ("revenue:water", -600),
        ("advances", 100),
        ("receivable:water", -100),
    ]
    assert booked["PaymentPosted"] == [
        ("clearing", 1_570),
        ("receivable:heating", -1_000),
        ("receivable:heating", -400),
        ("receivable:penalty", -70),
        ("advances", -100),
    ]
    assert booked["ChargesAdjusted"] == [
        ("revenue:heating", 300),
        ("revenue:waste", -25),
        ("receivable:waste", 25),
        ("advances", -300),
        ("advances", 25),
        ("receivable:waste", -25),
    ]
    assert booked["PenaltyAccrued"] == [("receivable:penalty", 8), ("revenue:penalty", -8)]
    assert booked["PenaltyCorrected"] == [
        ("receivable:penalty", -20),
        ("advances", -11),
        ("revenue:penalty", 31),
    ]
    assert booked["PenaltyWrittenOff"] == [
        ("receivable:penalty", -3),
        ("advances", 0),
        ("revenue:penalty", 3),
    ]


def test_a_reversal_is_booked_against_clearing() -> None:
    account = eventful()
    names: dict[str, int] = {}
    for name, amount in postings(account.pending[-1]):
        names[name] = names.get(name, 0) + amount
    assert names == {
        "clearing": -1_570,
        "receivable:heating": 1_100,
        "receivable:penalty": 59,
        "advances": 286,
        "receivable:water": 100,
        "receivable:waste": 25,
    }


def test_money_back_on_a_bill_is_booked_as_an_advance() -> None:
    account = an_account()
    bill(account, "10-31", heating=0, water=-7)
    assert postings(account.pending[-1]) == [
        ("advances", 0),
        ("revenue:heating", 0),
        ("advances", -7),
        ("revenue:water", 7),
    ]


def test_what_is_waived_twice_over_is_booked_once() -> None:
    account = an_account()
    account.accrue_penalty(100, day("10-01"), "rule-1")
    account.write_off_penalty(90, day("10-02"), "x")
    account.correct_penalty(-60, day("10-03"), "rule-1", "x", through=day("10-03"))
    assert postings(account.pending[-1]) == [
        ("receivable:penalty", -10),
        ("advances", 0),
        ("revenue:penalty", 10),
    ]
    account.post_payment(uuid4(), day("10-01"), 0, 10)
    waiver = retold(ID, account.pending)[-2]
    assert postings(waiver) == [
        ("receivable:penalty", -90),
        ("advances", 0),
        ("revenue:penalty", 90),
    ]
    again = msgspec.structs.replace(waiver, advance=4)
    assert postings(again) == [
        ("receivable:penalty", -86),
        ("advances", -4),
        ("revenue:penalty", 90),
    ]


def test_the_trial_balance_is_zero() -> None:
    balances = trial_balance(eventful().pending)
    assert sum(balances.values()) == 0
    assert balances["clearing"] == 0
    assert balances["opening"] == -970
    assert balances["receivable:heating"] == 1_100
    assert trial_balance([]) == {}


def test_what_is_no_event_of_an_account_has_no_postings() -> None:
    with pytest.raises(TypeError, match="no postings are known for str"):
        postings("an event")


# Movements and months.


def test_a_statement_has_a_movement_for_each_event() -> None:
    session: Any = Stream(eventful().pending)
    movements = statement(session, NUMBER, None, 100)["movements"]
    told = [(m["kind"], m["amount"], m["penalty"], m["balance"]) for m in movements]
    assert told == [
        ("opening", 0, 0, 0),
        ("opening", 970, 0, 970),
        ("charges", 430, 0, 1_400),
        ("penalty", 0, 90, 1_490),
        ("payment", -1_500, -70, -80),
        ("charges", 600, 0, 520),
        ("adjustment", -275, 0, 245),
        ("penalty_correction", 0, -31, 214),
        ("penalty", 0, 8, 222),
        ("penalty_write_off", 0, -3, 219),
        ("payment_reversal", 1_500, 70, 1_789),
    ]
    assert [m["text"] for m in movements] == [
        "Входящее сальдо",
        "Входящее сальдо",
        "Начисления за 2026-10",
        "Пени",
        "Оплата",
        "Начисления за 2026-11",
        "Перерасчёт за 2026-10: no heating",
        "Уточнение пеней: paid",
        "Пени",
        "Списание пеней: a court said so",
        "Отмена оплаты",
    ]
    assert movements[2]["effective_on"] == "2026-10-31"
    assert movements[2]["recorded_at"] == "2026-12-31T12:03:00+00:00"
    assert [m["position"] for m in movements] == list(range(10, 120, 10))


def test_a_statement_goes_on_where_a_page_ended() -> None:
    session: Any = Stream(eventful().pending)
    whole = statement(session, NUMBER, None, 11)
    assert whole["next"] is None
    page = statement(session, NUMBER, None, 4)
    assert (page["movements"], page["next"]) == (whole["movements"][:4], 40)
    rest = statement(session, NUMBER, 40, 7)
    assert (rest["movements"], rest["next"]) == (whole["movements"][4:], None)


def test_a_month_has_its_bill_and_its_recalculations_apart() -> None:
    session: Any = Stream(eventful().pending)
    november, october = charges(session, NUMBER, None, 2)["months"]
    assert (november["total"], november["adjustments"]) == (600, [])
    assert october["total"] == 430 - 275
    assert october["due_on"] == "2026-11-16"
    assert [line["payable"] for line in october["lines"]] == [470, -40]
    assert october["adjustments"] == [
        {
            "effective_on": "2026-12-01",
            "reason": "no heating",
            "lines": [
                {"service": "heating", "amount": -300},
                {"service": "waste", "amount": 25},
            ],
        }
    ]
    page = charges(session, NUMBER, None, 1)
    assert page["next"] == NOVEMBER
    assert charges(session, NUMBER, NOVEMBER, 1) == {"months": [october], "next": None}


def test_there_is_no_statement_of_an_unknown_account() -> None:
    session: Any = Stream([])
    for ask in (statement, charges):
        with pytest.raises(NotFound) as refused:
            ask(session, NUMBER, None, 10)
        assert refused.value.params == {"account": NUMBER}


# What others read.


def test_every_event_of_an_account_is_published_by_its_contract() -> None:
    contracts = {contract.type: contract for contract in CONTRACTS}
    published: dict[str, Any] = {}
    for recorded in Stream(eventful().pending).history(ID):
        publication = publish(recorded)
        assert publication is not None
        assert publication.subject == str(ID)
        assert publication.data["account"] == NUMBER
        contracts[publication.type].check(publication.data)
        published[publication.type] = publication.data
    assert set(published) == {event.topic.split(".")[1] for event in ACCOUNT_EVENTS}
    assert published["penalty_corrected"] == {
        "account": NUMBER,
        "effective_on": "2026-12-02",
        "amount": -31,
        "rule": "rule-1",
        "waived": 0,
        "advance": 11,
    }
    assert published["penalty_written_off"]["amount"] == 3
    assert published["payment_reversed"]["advance_taken"] == 286
    assert published["charges_adjusted"]["released"] == []
