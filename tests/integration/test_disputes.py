"""A disputed line on a real PostgreSQL: two clerks, the ledger, and whatever comes first."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from services.cli import app
from services.discovery import migrations_of
from services.helpdesk.application import AskQuestion, QuestionUseCases, messages_of
from services.helpdesk.departments import load_directory
from services.helpdesk.dispute import DisputedLine
from services.helpdesk.disputes import (
    NoteProposal,
    dispute_for_person,
    disputes_of,
    note_decision,
    note_proposal,
)
from services.helpdesk.service import HelpdeskService
from services.ledger.application import OpenAccount, open_account
from services.ledger.domain.events import ChargeLine
from services.ledger.publishing import publish
from shared import context
from shared.errors import ValidationFailed
from shared.working_days import load_working_days
from tests.ledger_commands import PostCharges, post_charges
from tests.staff_terminal import ServicesHere, grant, services_here, staff_amqp_url

pytestmark = pytest.mark.nodes

NUMBER, PERIOD, PERSON = "0100000001", "2026-10", uuid4()
LINE = DisputedLine(account=NUMBER, period=PERIOD, service="heating")
USE_CASES = QuestionUseCases(load_directory({}), load_working_days({}))
WHY = "по акту 7"


class Dispute:
    """A bill in the ledger, a question about a line of it, and the terminals of two clerks."""

    def __init__(self, database: Any) -> None:
        self.ledger, self.helpdesk = database.store("ledger"), database.store("helpdesk")
        self.stores = {"ledger": self.ledger, "helpdesk": self.helpdesk}
        for permission in ("read", "propose", "answer"):
            grant(database.settings, "helpdesk", "olga", permission, None)
        for permission, up_to in (("adjust", 50_000_00), ("read", None)):
            grant(database.settings, "ledger", "olga", permission, up_to)
        for permission in ("approve", "read"):
            grant(database.settings, "ledger", "petrov", permission, None)
        self._bill()
        self.question_id = self.ask()

    def _bill(self) -> None:
        with context.bind(command_id=uuid4()):
            self.ledger.execute(open_account, OpenAccount(number=NUMBER, payer_kind="household"))
        lines = (ChargeLine("heating", "Отопление", payable=450_000, charged=450_000),)
        bill = PostCharges(
            number=NUMBER,
            period=PERIOD,
            due_on=date(2026, 11, 15),
            effective_on=date(2026, 10, 31),
            lines=lines,
        )
        with context.bind(command_id=uuid4()):
            self.ledger.execute(post_charges, bill)

    def ask(self, line: DisputedLine | None = LINE) -> UUID:
        command = AskQuestion(
            person_id=PERSON, topic="charges", account=NUMBER, text="Холодно", line=line
        )
        with context.bind(command_id=uuid4()):
            return UUID(self.helpdesk.execute(USE_CASES.ask, command)["question_id"])

    def run(self, *arguments: str, by: str = "olga") -> Any:
        with services_here(self.stores):
            environment = {"SALDO_AMQP_URL": staff_amqp_url(by), "SALDO_LANG": "en"}
            return CliRunner().invoke(app, list(map(str, arguments)), env=environment)

    def propose(self, amount: str = "-123,45", *options: str) -> dict[str, Any]:
        arguments = ("propose", str(self.question_id), "--amount", amount, "--reason", WHY)
        result = self.run("helpdesk", *arguments, "--json", *options)
        assert result.exit_code == 0, result.output
        return dict(json.loads(result.stdout))

    def hears(self) -> None:
        """React to what the ledger has published of its proposals, as the worker does."""
        for recorded in map(self.ledger.recorded, self.ledger.log_after(0, 100)):
            published = publish(recorded)
            if published and published.type.startswith("correction_"):
                outcome = published.data.get("decision", "withdrawn")
                self.helpdesk.transact(
                    lambda session, given: note_decision(session, *given),
                    (recorded.originator_id, outcome),
                )

    def state(self) -> str:
        found = self.helpdesk.query(lambda session: dispute_for_person(session, self.question_id))
        return str(found["state"])


@pytest.fixture
def dispute(database: Any) -> Dispute:
    return Dispute(database)


def test_a_proposal_of_one_clerk_is_made_when_another_approves(dispute: Dispute) -> None:
    proposed = dispute.propose()
    assert (proposed["state"], proposed["proposal"]) == ("proposed", "open")
    assert dispute.state() == "under_review"
    shown = dispute.run("helpdesk", "show", str(dispute.question_id)).stdout
    assert f"Disputed: {NUMBER} {PERIOD} heating · under review" in shown
    assert proposed["correction_id"] in shown
    alone = dispute.run("ledger", "approve", proposed["correction_id"])
    assert alone.exit_code == 2
    assert dispute.run("ledger", "approve", proposed["correction_id"], by="petrov").exit_code == 0
    dispute.hears()
    dispute.hears()
    assert dispute.state() == "corrected"
    messages = dispute.helpdesk.query(lambda session: messages_of(session, dispute.question_id))
    assert [one["text"] for one in messages if one["author"] == "system"] == ["approved"]
    balance = json.loads(dispute.run("ledger", "balance", NUMBER, "--json").stdout)
    assert balance["principal"] == 450_000 - 12_345


def test_a_rejected_proposal_leaves_the_bill(dispute: Dispute) -> None:
    proposed = dispute.propose()
    rejected = dispute.run(
        "ledger", "reject", proposed["correction_id"], "--reason", "нет акта", by="petrov"
    )
    assert rejected.exit_code == 0, rejected.output
    dispute.hears()
    assert dispute.state() == "rejected"
    listed = json.loads(dispute.run("helpdesk", "disputes", "--state", "all", "--json").stdout)
    assert [one["state"] for one in listed["disputes"]] == ["rejected"]
    again = dispute.run(
        *("helpdesk", "propose", str(dispute.question_id), "--amount", "-123,45", "--reason", WHY)
    )
    assert "was proposed for this reason before, and is rejected" in " ".join(again.stdout.split())


def test_a_clerk_who_withdraws_his_own_proposal_decides_nothing(dispute: Dispute) -> None:
    mistyped = dispute.propose("-1234,50")
    withdrawn = dispute.run(
        "ledger", "reject", mistyped["correction_id"], "--reason", "опечатка в сумме"
    )
    assert withdrawn.exit_code == 0, withdrawn.output
    dispute.hears()
    assert dispute.state() == "under_review"
    shown = dispute.run("helpdesk", "show", str(dispute.question_id)).stdout
    assert "withdrawn" in shown
    again = dispute.propose()
    dispute.run("ledger", "approve", again["correction_id"], by="petrov")
    dispute.hears()
    assert dispute.state() == "corrected"


@pytest.mark.parametrize(
    ("decisions", "answered", "state"),
    [
        (["withdrawn"], True, "rejected"),
        (["approved", "withdrawn"], True, "corrected"),
        ([], True, "rejected"),
        ([None], True, "under_review"),
        (["withdrawn"], False, "under_review"),
    ],
)
def test_the_upgrade_settles_lines_that_nobody_reviews(
    dispute: Dispute, database: Any, decisions: list[str | None], answered: bool, state: str
) -> None:
    with database.owner("helpdesk") as owner:
        for decision in decisions:
            made = uuid4()
            owner.execute("INSERT INTO decisions VALUES (%s, %s)", (made, decision))
            owner.execute(
                "INSERT INTO dispute_proposals VALUES (%s, %s)", (dispute.question_id, made)
            )
        if answered:
            owner.execute("UPDATE questions SET state = 'answered'")
        owner.execute((migrations_of("helpdesk") / "0008_settled_disputes.sql").read_text("utf-8"))
    assert dispute.state() == state


def test_a_proposal_that_was_not_noted_is_noted_by_the_same_command(
    dispute: Dispute, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: Any, **__: Any) -> Any:
        raise ValidationFailed("lost", "The connection was cut.")

    with monkeypatch.context() as cut:
        cut.setattr(HelpdeskService, "note_proposal", lost)
        arguments = ("helpdesk", "propose", str(dispute.question_id), "--amount", "-123,45")
        dispute.run(*arguments, "--reason", WHY)
    [open_one] = json.loads(dispute.run("ledger", "proposals", "--json").stdout)
    dispute.run("ledger", "approve", open_one["proposal_id"], by="petrov")
    dispute.hears()
    assert dispute.state() == "under_review"
    assert dispute.propose()["proposal"] == "approved"
    assert dispute.state() == "corrected"


def test_a_dry_run_shows_what_would_change_and_writes_nothing(dispute: Dispute) -> None:
    shown = dispute.propose("-123,45", "--dry-run")
    assert [(one["before"], one["after"]) for one in shown["lines"]] == [(450_000, 437_655)]
    assert json.loads(dispute.run("ledger", "proposals", "--json").stdout) == []
    assert dispute.run("helpdesk", "show", str(dispute.question_id)).stdout.count("proposal") == 0


def test_a_proposal_for_another_line_is_not_noted(dispute: Dispute) -> None:
    adjusted = dispute.run(
        *("ledger", "adjust", NUMBER, "--period", PERIOD, "--service", "water=60000,00"),
        *("--reason", WHY, "--json"),
    )
    other = json.loads(adjusted.stdout)["correction_id"]
    client = ServicesHere(dispute.stores, staff_amqp_url("olga"))
    with pytest.raises(ValidationFailed, match="does not adjust the line"):
        client.call(
            "helpdesk", "note_proposal", question=str(dispute.question_id), proposal_id=other
        )


def test_only_whoever_may_propose_does(dispute: Dispute) -> None:
    arguments = ("helpdesk", "propose", str(dispute.question_id), "--amount", "-1,00")
    refused = dispute.run(*arguments, "--reason", WHY, by="petrov")
    assert refused.exit_code == 2
    assert json.loads(dispute.run("ledger", "proposals", "--json").stdout) == []


@pytest.mark.parametrize(
    ("line", "billed"),
    [
        ({"period": PERIOD, "code": "heating"}, True),
        ({"period": PERIOD, "code": "water"}, False),
        ({"period": "2026-09", "code": "heating"}, False),
    ],
)
def test_the_ledger_says_which_lines_there_are(
    dispute: Dispute, line: dict[str, str], billed: bool
) -> None:
    helpdesk = ServicesHere(dispute.stores, "amqp://helpdesk:secret@127.0.0.1:1/")
    assert helpdesk.call("ledger", "is_billed", account=NUMBER, **line) == {"billed": billed}
    assert helpdesk.call("ledger", "is_billed", account=f"{NUMBER}-2", **line) == {"billed": False}


def test_a_decision_and_its_proposal_at_once_are_never_lost(dispute: Dispute) -> None:
    def in_turn(act: Callable[[], Any]) -> None:
        with context.bind(command_id=uuid4()):
            act()

    for _ in range(8):
        question_id, proposal_id = dispute.ask(), uuid4()
        noted = NoteProposal(question_id=question_id, proposal_id=proposal_id)
        acts = [
            lambda noted=noted: dispute.helpdesk.execute(note_proposal, noted),
            lambda proposal_id=proposal_id: dispute.helpdesk.transact(
                lambda session, decided: note_decision(session, decided, "approved"), proposal_id
            ),
        ]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(in_turn, acts))
        found = dispute.helpdesk.query(
            lambda session, of=question_id: dispute_for_person(session, of)
        )
        assert found["state"] == "corrected"


def test_only_readers_of_the_holders_own_time_see_it(dispute: Dispute) -> None:
    def seen(person_id: UUID, *accounts: str) -> list[Any]:
        rows = dispute.helpdesk.query(lambda session: disputes_of(session, person_id, accounts))
        return [row["question_id"] for row in rows]

    assert seen(PERSON, NUMBER) == [str(dispute.question_id)]
    assert seen(uuid4(), NUMBER) == [None]
    assert seen(uuid4(), f"{NUMBER}-2", "0100000002") == []
