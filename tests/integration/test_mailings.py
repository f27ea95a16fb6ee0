"""Mailings: each person gets one letter of each, whoever is killed, and nobody else gets any."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest

from services import terminal
from services.notifications.mailing_tables import Mailings
from services.notifications.mailings import collecting, queueing
from services.notifications.mailings.collecting import collect
from services.notifications.mailings.queueing import queue_batch
from shared.contracts.notifications import LetterKind
from shared.errors import NotFound
from tests.conftest import Database
from tests.integration.mailing_world import ANSWERS, MailingWorld, in_days, world_of

pytestmark = pytest.mark.nodes

ANNA, BORIS, VERA = UUID(int=1), UUID(int=2), UUID(int=3)
A, B, C, D = "0100000011", "0100000012", "0100000013", "0100000014"
DUE = in_days(10)
FIRST_PENALTY = DUE + timedelta(days=31)


@pytest.fixture
def world(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MailingWorld:
    """Anna has two accounts, one of which Boris reads, too; Vera has one; D is nobody's."""
    monkeypatch.setattr(terminal, "load_settings", lambda: database.settings)
    made = world_of(database, tmp_path)
    made.billing.opens(A, B, C, D)
    made.registers(A, B, C, D)
    made.links(ANNA, A, B)
    made.links(BORIS, B)
    made.links(VERA, C)
    return made


def told(world: MailingWorld, kind: str) -> list[tuple[UUID, list[str]]]:
    """Return who got a letter of a kind about which accounts."""
    return [
        (letter["person_id"], sorted(letter["refs"].get("accounts") or letter["refs"]["due_on"]))
        for letter in world.letters()
        if letter["kind"] == kind
    ]


def test_each_person_gets_one_letter_of_a_run_about_all_his_accounts(world: MailingWorld) -> None:
    world.bills("november.csv", DUE, A, B, C, D)
    world.mails()
    assert told(world, "bill_ready") == [(ANNA, [A, B]), (BORIS, [B]), (VERA, [C])]
    assert ("bill_ready", "done", 3) in world.states()
    world.mails()
    assert len(world.letters()) == 3


def test_a_second_import_of_the_month_is_told_to_those_whom_it_bills(world: MailingWorld) -> None:
    world.bills("november.csv", DUE, A)
    world.mails()
    world.bills("late.csv", DUE, B, C)
    world.mails()
    assert told(world, "bill_ready") == [(ANNA, [A]), (ANNA, [B]), (BORIS, [B]), (VERA, [C])]


def test_a_bill_that_was_due_before_it_came_is_no_news(world: MailingWorld) -> None:
    world.bills("history.csv", in_days(-1), A, B)
    world.mails()
    assert told(world, "bill_ready") == []


def test_an_import_of_days_ago_is_no_news(world: MailingWorld) -> None:
    world.bills("november.csv", DUE, A)
    world.clock.advance(timedelta(days=4))
    world.mails()
    assert told(world, "bill_ready") == []
    assert ("bill_ready", "outdated", 0) in world.states()


def test_a_job_killed_after_any_page_goes_on_and_nobody_gets_two(
    world: MailingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "PAGE", 1)
    monkeypatch.setattr(queueing, "BATCH", 1)
    world.bills("november.csv", DUE, A, B, C, D)
    steps = 0
    while world.again().step():
        steps += 1
    assert steps > 8
    assert told(world, "bill_ready") == [(ANNA, [A, B]), (BORIS, [B]), (VERA, [C])]


def test_a_page_that_breaks_before_its_commit_leaves_nothing(
    world: MailingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.bills("november.csv", DUE, A, B, C)
    assert world.step()

    def break_down(*_: object, **__: object) -> None:
        raise ConnectionError

    for state in ("collecting", "queueing"):
        with monkeypatch.context() as broken:
            broken.setattr(Mailings, "move_on", break_down)
            with pytest.raises(ConnectionError):
                world.step()
        assert world.states() == [("bill_ready", state, 0)]
        assert world.letters() == []
        assert world.step()
    world.mails()
    assert told(world, "bill_ready") == [(ANNA, [A, B]), (BORIS, [B]), (VERA, [C])]


def test_a_page_that_two_processes_do_counts_once(world: MailingWorld) -> None:
    world.bills("november.csv", DUE, A, B, C)
    other = world.again()
    assert world.step()
    for do in (collect, queue_batch):
        [under_way] = world.store.query(lambda session: session.peek.mailings.under_way())
        do(world, under_way)
        do(other, under_way)
    [row] = world.store.query(lambda session: session.peek.mailings.newest(1))
    assert (row["found"], row["queued"]) == (4, 3)
    assert len(world.letters()) == 3


def test_a_mailing_waits_for_a_service_that_is_down(world: MailingWorld) -> None:
    world.bills("november.csv", DUE, A)
    for service in ("ledger", "accounts"):
        world.down = {service}
        world.mails()
        assert world.letters() == []
    world.down = set()
    world.mails()
    assert told(world, "bill_ready") == [(ANNA, [A])]


def test_a_mailing_that_a_service_refuses_stops_no_other(
    world: MailingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = cast(dict[str, Any], ANSWERS)
    world.bills("november.csv", DUE, A)
    assert world.step()
    refused = world.states()

    def refuse(*_: object, **__: object) -> None:
        raise NotFound("import_not_found", "There is no such import.")

    with monkeypatch.context() as broken:
        broken.setitem(answers, "ledger.billed", (ANSWERS["ledger.billed"][0], refuse))
        world.set_to(DUE - timedelta(days=3))
        world.mails()
        assert told(world, "due_soon") == [(ANNA, [A])]
        assert told(world, "bill_ready") == []
    assert set(refused) <= set(world.states())
    world.mails()
    assert told(world, "bill_ready") == [(ANNA, [A])]


def test_whoever_lost_access_before_the_run_gets_no_letter(world: MailingWorld) -> None:
    world.bills("november.csv", DUE, A, B, C)
    world.unlinks(ANNA, A)
    world.unlinks(VERA, C)
    world.mails()
    assert told(world, "bill_ready") == [(ANNA, [B]), (BORIS, [B])]


def test_whoever_has_switched_such_letters_off_gets_none_until_he_wants_them(
    world: MailingWorld,
) -> None:
    world.chooses(ANNA, LetterKind.BILL_READY, wanted=False)
    world.bills("november.csv", DUE, A, B)
    world.mails()
    assert told(world, "bill_ready") == [(BORIS, [B])]
    world.set_to(DUE - timedelta(days=5))
    world.mails()
    assert told(world, "due_soon") == [(ANNA, [A, B]), (BORIS, [B])]
    world.chooses(ANNA, LetterKind.BILL_READY, wanted=True)
    world.set_to(in_days(0), time(8))
    world.bills("late.csv", DUE, C, D)
    world.links(ANNA, D)
    world.mails()
    assert (ANNA, [D]) in told(world, "bill_ready")


def test_an_address_that_receives_nothing_gets_no_letter(world: MailingWorld) -> None:
    world.bills("november.csv", DUE, A, C)
    world.mails()
    world.bounces(ANNA)
    world.set_to(DUE - timedelta(days=5))
    world.mails()
    assert told(world, "due_soon") == [(VERA, [C])]


def test_a_closed_account_is_told_to_nobody(world: MailingWorld) -> None:
    world.bills("november.csv", DUE, A, C)
    world.registers(A, B, C, D, closed=(A, C))
    world.mails()
    world.set_to(DUE - timedelta(days=5))
    world.mails()
    assert world.letters() == []


def test_whoever_still_owes_is_reminded_once_before_the_due_day(world: MailingWorld) -> None:
    world.bills("november.csv", DUE, A, B, C)
    world.pays(A, 100_00)
    world.pays(C, 99_00)
    world.set_to(DUE - timedelta(days=6))
    world.mails()
    assert told(world, "due_soon") == []
    world.set_to(DUE - timedelta(days=5), time(8, 59))
    world.mails()
    assert told(world, "due_soon") == []
    for ahead in range(5, 0, -1):
        world.set_to(DUE - timedelta(days=ahead))
        world.mails()
    assert told(world, "due_soon") == [(ANNA, [B]), (BORIS, [B]), (VERA, [C])]


def test_a_reminder_that_was_missed_is_made_up_for_before_the_due_day(world: MailingWorld) -> None:
    world.bills("november.csv", DUE, A)
    world.set_to(DUE - timedelta(days=2))
    world.mails()
    assert told(world, "due_soon") == [(ANNA, [A])]


def test_nobody_is_reminded_on_the_due_day_or_later(world: MailingWorld) -> None:
    world.bills("november.csv", DUE, A)
    for day in (DUE, DUE + timedelta(days=1)):
        world.set_to(day)
        world.mails()
    assert told(world, "due_soon") == []


def test_whoever_is_late_is_warned_once_before_penalties_begin(world: MailingWorld) -> None:
    world.bills("november.csv", DUE, A, B, C)
    world.pays(C, 100_00)
    world.set_to(FIRST_PENALTY - timedelta(days=4))
    world.mails()
    assert told(world, "overdue") == []
    for ahead in range(3, -1, -1):
        world.set_to(FIRST_PENALTY - timedelta(days=ahead))
        world.mails()
    assert told(world, "overdue") == [(ANNA, [A, B]), (BORIS, [B])]
    [letter, _] = [one for one in world.letters() if one["kind"] == "overdue"]
    assert letter["refs"]["penalties_from"] == FIRST_PENALTY.isoformat()


def test_nobody_is_warned_once_penalties_have_begun(world: MailingWorld) -> None:
    world.bills("november.csv", DUE, A)
    world.set_to(FIRST_PENALTY)
    world.mails()
    assert told(world, "overdue") == []
