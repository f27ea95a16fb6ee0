"""Which mailings there are to be, and the letters that come of one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from services.notifications.mailing import Line, Mailing, letters_of
from services.notifications.mailings.noting import days_to_note
from shared.config import ConfigurationError, Settings, load_settings
from shared.contracts.notifications import LetterKind

ANNA, BORIS = UUID(int=1), UUID(int=2)
FIRST, SECOND = "0100000001", "0100000002-2"
DUE, PENALTIES = date(2026, 4, 15), date(2026, 5, 16)
DIGEST = "a" * 64
MOSCOW = ZoneInfo("Europe/Moscow")
MORNING = datetime(2026, 4, 10, 6, tzinfo=UTC)
"""Nine o'clock in Moscow."""


def line(person: UUID, account: str, period: str = "2026-03", due_on: date = DUE) -> Line:
    return Line(person_id=person, account=account, period=period, due_on=due_on)


def noted(now: datetime, **settings: object) -> list[tuple[str, str]]:
    found = days_to_note(replace(Settings(), **settings), now)  # type: ignore[arg-type]
    return [(mailing.kind.value, mailing.about) for mailing in found]


def imported(digest: str = DIGEST) -> Mailing:
    return Mailing.of_import(digest, 1, 9, outdated=False)


def test_reminders_are_of_the_days_that_come_near() -> None:
    assert noted(MORNING, remind_days=2, overdue_days=1) == [
        ("due_soon", "2026-04-11"),
        ("due_soon", "2026-04-12"),
        ("overdue", "2026-04-11"),
    ]
    assert ("due_soon", "2026-04-15") in noted(MORNING)


@pytest.mark.parametrize(
    ("zone", "is_due"), [("Europe/Moscow", True), ("Europe/Kaliningrad", False)]
)
def test_reminders_wait_for_the_morning_of_the_operators_zone(zone: str, is_due: bool) -> None:
    assert bool(noted(MORNING, timezone=zone)) is is_due


def test_the_day_of_a_reminder_is_that_of_the_operators_zone() -> None:
    late = datetime(2026, 4, 10, 20, tzinfo=UTC)
    [here] = noted(late, timezone="Europe/Moscow", remind_days=1, overdue_days=0)
    [there] = noted(
        late, timezone="Asia/Kamchatka", remind_days=1, overdue_days=0, remind_at=MORNING.time()
    )
    assert (here[1], there[1]) == ("2026-04-11", "2026-04-12")


def test_an_operator_may_send_no_reminders() -> None:
    assert noted(MORNING, remind_days=0, overdue_days=0) == []


def test_settings_of_reminders_are_read_and_wrong_ones_refused() -> None:
    read = load_settings(
        {"SALDO_REMIND_DAYS": "7", "SALDO_OVERDUE_DAYS": "0", "SALDO_REMIND_AT": "11:30"}
    )
    assert (read.remind_days, read.overdue_days, str(read.remind_at)) == (7, 0, "11:30:00")
    for name, text in (
        ("SALDO_REMIND_DAYS", "31"),
        ("SALDO_OVERDUE_DAYS", "-1"),
        ("SALDO_REMIND_AT", "9"),
    ):
        with pytest.raises(ConfigurationError, match=name):
            load_settings({name: text})


def test_a_person_gets_one_letter_about_all_accounts_of_a_run() -> None:
    lines = [line(BORIS, FIRST), line(ANNA, SECOND), line(ANNA, FIRST)]
    annas, boris = letters_of(imported(), lines, MOSCOW)
    assert (annas.person_id, annas.refs["accounts"]) == (ANNA, [FIRST, SECOND])
    assert (boris.person_id, boris.refs["accounts"]) == (BORIS, [FIRST])
    assert annas.refs["mailing_id"] == str(imported().mailing_id)


def test_another_import_of_a_month_is_another_letter_and_the_same_is_the_same() -> None:
    def id_of(mailing: Mailing, account: str) -> UUID:
        [letter] = letters_of(mailing, [line(ANNA, account)], MOSCOW)
        return letter.letter_id

    assert id_of(imported(), FIRST) == id_of(imported(), FIRST)
    assert id_of(imported(), FIRST) != id_of(imported("b" * 64), SECOND)


def test_bills_of_several_months_in_one_import_are_a_letter_each() -> None:
    lines = [line(ANNA, FIRST, "2026-02"), line(ANNA, FIRST, "2026-03")]
    found = list(letters_of(imported(), lines, MOSCOW))
    assert [letter.refs["period"] for letter in found] == ["2026-02", "2026-03"]
    assert len({letter.letter_id for letter in found}) == 2


def test_a_letter_has_no_point_after_the_last_day_on_which_it_helps() -> None:
    lines = [line(ANNA, FIRST, "")]
    for mailing, ends in (
        (Mailing.of_day(LetterKind.DUE_SOON, DUE), datetime(2026, 4, 16, tzinfo=MOSCOW)),
        (Mailing.of_day(LetterKind.OVERDUE, PENALTIES), datetime(2026, 5, 16, tzinfo=MOSCOW)),
        (imported(), datetime(2026, 4, 16, tzinfo=MOSCOW)),
    ):
        [letter] = letters_of(mailing, lines, MOSCOW)
        assert letter.not_after == ends


def test_nobody_is_warned_twice_of_a_month_whose_penalties_begin_later() -> None:
    lines = [line(ANNA, FIRST, "")]
    [before] = letters_of(Mailing.of_day(LetterKind.OVERDUE, PENALTIES), lines, MOSCOW)
    moved = Mailing.of_day(LetterKind.OVERDUE, date(2026, 10, 2))
    [after] = letters_of(moved, lines, MOSCOW)
    assert before.letter_id == after.letter_id


def test_accounts_of_one_due_day_whose_penalties_begin_apart_are_a_letter_each() -> None:
    sooner = Mailing.of_day(LetterKind.OVERDUE, date(2026, 4, 16))
    [of_shop] = letters_of(sooner, [line(ANNA, SECOND, "")], MOSCOW)
    later = Mailing.of_day(LetterKind.OVERDUE, PENALTIES)
    [of_flat] = letters_of(later, [line(ANNA, FIRST, "")], MOSCOW)
    assert of_shop.letter_id != of_flat.letter_id


def test_the_order_in_which_accounts_are_found_makes_no_other_letter() -> None:
    mailing = Mailing.of_day(LetterKind.OVERDUE, PENALTIES)
    lines = [line(ANNA, FIRST, ""), line(ANNA, SECOND, "")]
    [one], [other] = (letters_of(mailing, found, MOSCOW) for found in (lines, lines[::-1]))
    assert one.letter_id == other.letter_id
