"""The verbs of letters, and reports that come back, over a real database and a real Maildir."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner, Result

from services.cli import app
from services.notifications import application
from services.notifications.application import ClaimLetters, MarkSent, ReplacedError, hold
from services.notifications.bounced_letters import SETTLED
from services.notifications.bounces import read_bounces
from services.notifications.bouncing import bounced_since
from services.notifications.domain import DRAWS_BEFORE_REQUEUEING
from services.notifications.requests import Lane, LetterRequest
from shared.config import Settings
from shared.contracts.notifications import LetterKind
from shared.eventstore.postgres import PostgresStore
from shared.ids import new_id
from shared.staff import ROLES
from tests.conftest import Database
from tests.fixed_clock import FixedClock
from tests.staff_terminal import grant, services_here, staff_amqp_url
from tests.unit.notifications.report_samples import NO_REPORTS, report

pytestmark = pytest.mark.nodes

WHY = ("--reason", "call 17: nothing has come")
Run = Callable[..., Result]


@dataclass
class Letters:
    """The letters of a service, whose job reads bounces from a Maildir."""

    store: PostgresStore
    settings: Settings
    clock: FixedClock
    folder: Path
    database: Database
    own: list[UUID] = field(default_factory=list)
    """Those of this test; all tests share a database."""

    def queue(self, kind: LetterKind, person_id: UUID | None = None, **refs: str) -> UUID:
        letter_id = uuid4()
        request = LetterRequest(
            letter_id=letter_id, kind=kind, person_id=person_id, refs=refs or {"payment_id": "p"}
        )
        self.store.transact(application.queue_letters, [request])
        self.own.append(letter_id)
        return letter_id

    def send(self, letter_id: UUID) -> str:
        """Mark a letter as sent; return its Message-ID."""
        message_id = f"<{letter_id}.1@saldo.example>"
        command = MarkSent(letter_id=letter_id, message_id=message_id, attempts=1)
        self.store.transact(application.mark_sent, command)
        return message_id

    def sent(self, person_id: UUID, kind: LetterKind = LetterKind.PAYMENT_RECEIPT) -> UUID:
        letter_id = self.queue(kind, person_id)
        self.send(letter_id)
        return letter_id

    def report(self, letter_id: UUID, status: str = "5.1.1", action: str = "failed") -> None:
        """Put a report about a letter into the mailbox, and read it."""
        raw = report(
            f"Action: {action}\nStatus: {status}\n",
            to=f"bounces+{letter_id.hex}@saldo.example",
            original=f"Message-ID: <{letter_id}.1@saldo.example>\n",
        )
        self.drop(raw)
        assert self.read() == 1

    def read(self) -> int:
        """Run the job."""
        services: Any = self
        return read_bounces(services)

    def drop(self, raw: bytes) -> None:
        (self.folder / "new").mkdir(parents=True, exist_ok=True)
        (self.folder / "new" / f"{new_id()}").write_bytes(raw)

    def bounced_since(self, person_id: UUID, *, settled: bool = False) -> datetime | None:
        """Return since when letters come back; `settled`: as seen when none does any more."""
        later = SETTLED + timedelta(minutes=1) if settled else timedelta(0)
        self.clock.advance(later)
        found = self.store.query(lambda session: bounced_since(session, [person_id]))
        self.clock.advance(-later)
        return found.get(person_id)

    def age(self, letter_id: UUID, days: int) -> None:
        """Have a letter queued so many days ago."""
        with self.database.owner("notifications") as owner:
            owner.execute(
                "UPDATE letters SET queued_at = queued_at - make_interval(days => %s)"
                " WHERE letter_id = %s",
                (days, letter_id),
            )

    def state(self, letter_id: UUID) -> str:
        found = self.store.query(lambda session: session.read.lists.one(letter_id))
        return f"{found['state']} {found['report_status'] or ''}".strip()

    def claimed(self) -> list[application.ClaimedLetter]:
        command = ClaimLetters(claim=new_id(), lowest=Lane.BULK, limit=100)
        lanes = [self.store.transact(application.claim_letters, command) for _ in Lane]
        return [letter for claimed in lanes for letter in claimed if letter.letter_id in self.own]


@pytest.fixture
def letters(module_database: Database, tmp_path: Path) -> Letters:
    clock = FixedClock(datetime.now(UTC))  # the database has a clock of its own
    folder = tmp_path / "bounces"
    settings = replace(module_database.settings, bounces_url=f"maildir://{folder}")
    store = module_database.store("notifications", clock=clock)
    return Letters(store, settings, clock, folder, module_database)


@pytest.fixture
def run(letters: Letters) -> Run:
    for permission in ROLES["clerk"]["notifications"]:
        grant(letters.settings, "notifications", "olga", permission, None)

    def run(*words: object, by: str = "olga") -> Result:
        env = {"SALDO_AMQP_URL": staff_amqp_url(by), "LC_ALL": "C"}
        with services_here({"notifications": letters.store}):
            return CliRunner().invoke(app, ["notifications", *map(str, words)], env=env)

    return run


def told(result: Result) -> Any:
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def noted(letters: Letters) -> list[tuple[str, str, UUID | None, str]]:
    entries = letters.store.query(lambda session: session.security.entries(limit=10))
    return [(one.actor, one.action, one.person_id, one.reason) for one in entries]


# Bounces


def test_letter_that_came_back_is_its_persons_until_another_one_settles(letters: Letters) -> None:
    person_id = uuid4()
    first = letters.sent(person_id)
    assert letters.bounced_since(person_id) is None
    letters.report(first)
    assert letters.state(first) == "bounced 5.1.1"
    since = letters.bounced_since(person_id)
    assert since is not None
    assert letters.bounced_since(uuid4()) is None

    later = letters.sent(person_id)
    assert letters.bounced_since(person_id) == since, "the later one may still come back"
    assert letters.bounced_since(person_id, settled=True) is None
    letters.report(later)
    assert letters.bounced_since(person_id, settled=True) == since
    letters.sent(person_id)
    assert letters.bounced_since(person_id, settled=True) is None


def test_another_address_ends_what_is_known_of_the_former_one(letters: Letters) -> None:
    person_id = uuid4()
    before = letters.sent(person_id)
    late = letters.sent(person_id)
    letters.report(before)
    letters.queue(LetterKind.EMAIL_CHANGED, person_id)
    assert letters.bounced_since(person_id) is None
    letters.report(late)
    assert letters.bounced_since(person_id) is None, "it went to the former address"
    letters.report(letters.sent(person_id))
    assert letters.bounced_since(person_id) is not None


@pytest.mark.parametrize(
    ("kind", "status", "action"),
    [
        (LetterKind.EMAIL_TO_CONFIRM, "5.1.1", "failed"),
        (LetterKind.INVITATION, "5.1.1", "failed"),
        (LetterKind.PAYMENT_RECEIPT, "5.2.2", "failed"),
        (LetterKind.PAYMENT_RECEIPT, "4.4.7", "failed"),
        (LetterKind.PAYMENT_RECEIPT, "4.4.1", "delayed"),
    ],
)
def test_some_reports_say_nothing_against_the_address(
    letters: Letters, kind: LetterKind, status: str, action: str
) -> None:
    person_id = uuid4()
    refs = {"change_id": "c", "invitation_id": "i"}
    letter_id = letters.queue(kind, person_id, **refs)
    letters.send(letter_id)
    letters.report(letter_id, status, action)
    assert letters.state(letter_id) == f"{'bounced' if action == 'failed' else 'sent'} {status}"
    assert letters.bounced_since(person_id) is None


def test_letter_that_came_back_is_not_sent_again(letters: Letters) -> None:
    """Its sending had an unknown outcome, so it still waits."""
    letter_id = letters.queue(LetterKind.PAYMENT_RECEIPT, uuid4())
    letters.report(letter_id)
    assert letters.state(letter_id) == "bounced 5.1.1"
    assert letters.claimed() == []


def test_what_is_no_report_of_ours_is_left_and_stops_nothing(letters: Letters) -> None:
    person_id = uuid4()
    letter_id = letters.sent(person_id)
    for raw in NO_REPORTS.values():
        letters.drop(raw)
    unknown = uuid4()
    letters.drop(report("Action: failed\nStatus: 5.1.1\n", to=f"b+{unknown.hex}@saldo.example"))
    assert letters.read() == len(NO_REPORTS) + 1
    letters.report(letter_id)
    assert letters.bounced_since(person_id) is not None
    assert letters.read() == 0
    assert len(list((letters.folder / "cur").iterdir())) == len(NO_REPORTS)


def test_report_that_is_read_again_changes_nothing(letters: Letters) -> None:
    """As after a crash between noting and deleting it."""
    letter_id = letters.sent(uuid4())
    letters.report(letter_id)
    bounced = letters.store.query(lambda session: session.history(letter_id))
    letters.report(letter_id)
    assert letters.store.query(lambda session: session.history(letter_id)) == bounced


def test_no_mailbox_means_no_bounces(letters: Letters) -> None:
    letters.settings = replace(letters.settings, bounces_url="")
    assert letters.read() == 0
    letters.settings = replace(letters.settings, bounces_url="imaps://u:secret@127.0.0.1:1/INBOX")
    assert letters.read() == 0


# Verbs


def test_letters_are_listed_by_what_became_of_them(letters: Letters, run: Run) -> None:
    person_id = uuid4()
    waiting = letters.queue(LetterKind.PAYMENT_FAILED, person_id)
    letters.age(waiting, days=2)
    back = letters.sent(person_id)
    letters.report(back)
    other = letters.sent(uuid4())

    def ids(*options: object) -> list[str]:
        found = told(run("list", *options, "--json"))["letters"]
        return [one["letter_id"] for one in found if UUID(one["letter_id"]) in letters.own]

    assert ids() == [str(other), str(back), str(waiting)]
    assert ids("--state", "bounced") == [str(back)]
    assert ids("--kind", "payment_failed") == [str(waiting)]
    assert len(told(run("list", "--limit", 2, "--json"))["letters"]) == 2
    assert ids("--person", person_id, "--state", "queued") == [str(waiting)]
    day = letters.clock.now().date().isoformat()
    assert ids("--since", day) == [str(other), str(back)]
    shown = run("list").stdout
    assert "came back" in shown
    assert "5.1.1" in shown
    assert noted(letters)[0] == ("staff:olga", "letters_listed", person_id, "")
    assert run("list", "--state", "lost").exit_code == 2
    assert run("list", "--since", "yesterday").exit_code == 2


def test_letter_is_shown_with_its_history(letters: Letters, run: Run) -> None:
    person_id = uuid4()
    letter_id = letters.queue(LetterKind.PAYMENT_RECEIPT, person_id, payment_id="p-17")
    found = told(run("show", letter_id, "--json"))
    assert (found["state"], found["refs"], found["attempts"]) == (
        "queued",
        {"payment_id": "p-17"},
        0,
    )
    message_id = letters.send(letter_id)
    letters.report(letter_id, "4.4.1", "delayed")
    letters.report(letter_id)
    found = told(run("show", letter_id, "--json"))
    assert [event["event"] for event in found["history"]] == [
        "letter_queued", "letter_sent", "letter_delayed", "letter_bounced",
    ]  # fmt: skip
    assert found["history"][1]["message_id"] == message_id
    text = run("show", letter_id).stdout
    assert "payment_id=p-17" in text
    assert "status=5.1.1" in text
    assert noted(letters)[0] == ("staff:olga", "letter_shown", person_id, "")
    unknown = run("show", uuid4())
    assert (unknown.exit_code, "no such letter" in unknown.stderr) == (2, True)


def test_failures_are_counted_by_kind_and_reason(letters: Letters, run: Run) -> None:
    kind = LetterKind.PROOFS_GUESSED
    long_ago = letters.sent(uuid4(), kind)
    letters.report(long_ago)
    letters.age(long_ago, days=40)
    for _ in range(2):
        letters.report(letters.sent(uuid4(), kind))
    person_id = uuid4()
    letters.queue(kind, person_id)
    letters.store.transact(application.erase_letters, person_id)

    def counted(*options: object) -> list[tuple[str, str, int]]:
        rows = told(run("failed", *options, "--json"))["failures"]
        return [(r["state"], r["reason"], r["letters"]) for r in rows if r["kind"] == kind]

    assert counted() == [("bounced", "5.1.1", 2), ("failed", "stale", 1)]
    assert counted("--since", "2026-01-01")[0] == ("bounced", "5.1.1", 3)
    assert "pointless by then" in run("failed").stdout


@pytest.mark.parametrize("came_back", [True, False])
def test_letter_is_sent_again_with_draws_of_its_own(
    letters: Letters, run: Run, *, came_back: bool
) -> None:
    person_id = uuid4()
    letter_id = letters.sent(person_id)
    if came_back:
        letters.report(letter_id)
    dry = told(run("resend", letter_id, *WHY, "--dry-run", "--json"))
    assert (dry["dry_run"], letters.claimed()) == (True, [])
    expected = {"letter_id": str(letter_id), "kind": "payment_receipt", "state": "queued"}
    assert told(run("resend", letter_id, *WHY, "--json")) == expected
    assert told(run("resend", letter_id, *WHY, "--json")) == expected, "done once"
    [claimed] = letters.claimed()
    assert (claimed.letter_id, claimed.person_id, claimed.refs, claimed.sealed) == (
        letter_id, person_id, {"payment_id": "p"}, None,
    )  # fmt: skip
    assert claimed.generation == DRAWS_BEFORE_REQUEUEING
    resent = [entry for entry in noted(letters) if entry[2] == person_id]
    assert resent == [("staff:olga", "letter_resent", person_id, WHY[1])]
    assert letters.bounced_since(person_id) is None


def test_resent_secret_is_drawn_in_place_of_one_that_waits(letters: Letters, run: Run) -> None:
    first = letters.queue(LetterKind.REGISTRATION_CODE, registration_id="r")
    letters.send(first)
    second = letters.queue(LetterKind.REGISTRATION_CODE, registration_id="r")
    assert run("resend", first, *WHY).exit_code == 0
    waiting = {letter.letter_id: letter for letter in letters.claimed()}
    assert set(waiting) == {first, second}
    with pytest.raises(ReplacedError):
        letters.store.transact(hold, waiting[second])
    assert letters.store.transact(hold, waiting[first]) == [second], "void once it is drawn"


def test_what_cannot_be_sent_again_is_refused(letters: Letters, run: Run) -> None:
    unknown = run("resend", uuid4(), *WHY)
    assert (unknown.exit_code, "no such letter" in unknown.stderr) == (2, True)
    old = letters.sent(uuid4())
    assert run("resend", old, "--reason", " ").exit_code == 2
    refused = run("resend", old, *WHY, by="petr")
    assert refused.exit_code == 2
    assert letters.claimed() == []
