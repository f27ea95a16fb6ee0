"""Claims of letters in PostgreSQL: several runners at once, lost leases, old rows, sets."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from threading import Barrier, Event, Lock
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.discovery import open_store
from services.notifications import application
from services.notifications.application import ClaimedLetter, ClaimLetters
from services.notifications.bouncing import note_reports
from services.notifications.claims import Claims
from services.notifications.delivery import Delivery
from services.notifications.delivery_reports import DeliveryReport
from services.notifications.envelope import Content, seal
from services.notifications.mailer import Connection, ConnectionBrokenError, DeferredError
from services.notifications.requests import Lane, LetterRequest
from services.notifications.slow_domains import SlowDomains
from shared.config import Settings
from shared.contracts.notifications import LetterKind
from shared.eventstore import Session
from shared.eventstore.postgres import PostgresStore
from shared.smtp import ServerUnavailableError
from tests.fixed_clock import FixedClock
from tests.waiting import eventually

pytestmark = pytest.mark.nodes


@dataclass
class MailServer:
    """A mail server in memory, which fails at random if it has a source of chance."""

    chance: random.Random | None = None
    accepted: list[EmailMessage] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    @contextmanager
    def connect(self, url: str) -> Iterator[Connection]:
        if self._happens(0.2):
            raise ServerUnavailableError("no connection")
        yield self

    def send(self, message: EmailMessage, envelope_from: str) -> None:
        if self._happens(0.1):
            raise DeferredError(450)
        if self._happens(0.1):
            raise ConnectionBrokenError("before the dot")
        with self.lock:
            self.accepted.append(message)
        if self._happens(0.1):
            raise ConnectionBrokenError("after the dot")

    def _happens(self, probability: float) -> bool:
        return self.chance is not None and self.chance.random() < probability


@dataclass
class Worker:
    """`Services` of a worker process; identity draws another code each time."""

    settings: Settings
    store: PostgresStore
    clock: FixedClock
    newest: dict[str, str] = field(default_factory=dict)
    drawn: Counter[str] = field(default_factory=Counter)

    def call(self, service: str, method: str, *, deadline: float = 5.0, **asked: Any) -> Any:
        if method == "contacts":
            found = {
                one: {"email": "a@example.org", "language": "ru"} for one in asked["person_ids"]
            }
            return {"contacts": found}
        if method == "secret_needed":
            return {"needed": True}
        assert (service, method) == ("identity", "issue_registration_code")
        asked_for = asked["registration_id"]
        self.drawn[asked_for] += 1
        self.newest[asked_for] = f"{random.randrange(10**12):012d}"  # noqa: S311
        email = f"{asked_for[:8]}@example.org"
        code = self.newest[asked_for]
        return {"kind": "code", "email": email, "code": code, "valid_minutes": 15}

    def queue(self, *requests: LetterRequest) -> int:
        queued: int = self.store.transact(application.queue_letters, list(requests))
        return queued

    def claim(self, limit: int = 10) -> list[ClaimedLetter]:
        command = ClaimLetters(claim=uuid4(), lowest=Lane.BULK, limit=limit)
        claimed: list[ClaimedLetter] = self.store.transact(application.claim_letters, command)
        return claimed

    def waiting(self) -> int:
        with self.store.transaction() as cursor:
            return int(cursor.execute("SELECT count(*) AS n FROM outbox").fetchone()["n"])

    def states(self) -> Counter[str]:
        with self.store.transaction() as cursor:
            rows = cursor.execute("SELECT state FROM letters").fetchall()
        return Counter(row["state"] for row in rows)


@pytest.fixture
def worker(database: Any) -> Iterator[Worker]:
    clock = FixedClock(datetime.now(UTC).replace(microsecond=0))
    store = open_store("notifications", database.settings, clock=clock)
    yield Worker(database.settings, store, clock)
    store.close()


def letter(kind: LetterKind = LetterKind.PASSWORD_CHANGED, **refs: str) -> LetterRequest:
    refs = {"at": "2026-03-31T18:00:00+00:00", **refs}
    return LetterRequest(letter_id=uuid4(), kind=kind, person_id=uuid4(), refs=refs)


def code() -> LetterRequest:
    return letter(LetterKind.REGISTRATION_CODE, registration_id=str(uuid4()))


def letter_of(message: EmailMessage) -> UUID:
    return UUID(str(message["Message-ID"])[1:37])


def test_two_runners_share_a_queue_and_no_letter(worker: Worker) -> None:
    requests = [letter() for _ in range(200)]
    worker.queue(*requests)
    server, together = MailServer(), Barrier(4)

    def run(_: int) -> int:
        together.wait()
        return Delivery(worker, Claims(), SlowDomains(), connect_to=server.connect).deliver()

    with ThreadPoolExecutor(4) as runners:
        done = list(runners.map(run, range(4)))
    assert sum(done) == 200
    sent = Counter(letter_of(message) for message in server.accepted)
    assert sent == Counter(request.letter_id for request in requests)
    assert worker.waiting() == 0


def test_claims_are_disjoint_and_end_by_themselves(worker: Worker) -> None:
    worker.queue(*(letter() for _ in range(30)))
    with ThreadPoolExecutor(3) as runners:
        parts = list(runners.map(lambda _: worker.claim(), range(3)))
    claimed = [one.letter_id for part in parts for one in part]
    assert len(claimed) == len(set(claimed)) == 30
    assert worker.claim() == []
    worker.clock.advance(application.LEASE)
    assert len(worker.claim(limit=100)) == 30


def test_a_letter_that_is_being_drawn_keeps_no_other_claim_from_lasting(worker: Worker) -> None:
    worker.queue(letter(), letter())
    [drawn], [other] = worker.claim(limit=1), worker.claim(limit=1)

    def renew_meanwhile(session: Session, held: ClaimedLetter) -> int:
        application.hold(session, held)
        claims = [drawn.claim, other.claim]
        return worker.store.transact(application.renew_claims, claims)

    assert worker.store.transact(renew_meanwhile, drawn) == 1, "the one that nobody locks"
    assert worker.store.transact(application.renew_claims, [drawn.claim, other.claim]) == 2


def test_a_runner_that_lost_its_lease_hands_nothing_over(worker: Worker) -> None:
    request = letter()
    worker.queue(request)
    slow, quick = MailServer(), MailServer()

    class Paused(Worker):
        """A worker that sleeps between the claim and the draw, longer than its lease."""

        def call(self, service: str, method: str, *, deadline: float = 5.0, **asked: Any) -> Any:
            worker.clock.advance(2 * application.LEASE)
            delivery = Delivery(worker, Claims(), SlowDomains(), connect_to=quick.connect)
            assert delivery.deliver() == 1
            return super().call(service, method, **asked)

    paused = Paused(worker.settings, worker.store, worker.clock)
    Delivery(paused, Claims(), SlowDomains(), connect_to=slow.connect).deliver()
    assert slow.accepted == []
    assert [letter_of(message) for message in quick.accepted] == [request.letter_id]
    assert worker.states() == {"sent": 1}


def test_a_newer_code_is_drawn_last_though_an_older_one_is_being_drawn(worker: Worker) -> None:
    registration_id = str(uuid4())
    older, newer = (
        letter(LetterKind.REGISTRATION_CODE, registration_id=registration_id) for _ in range(2)
    )
    worker.queue(older)
    server, sent = MailServer(), Event()
    queued: list[Future[None]] = []

    def queue_and_deliver_newer() -> None:
        worker.queue(newer)
        Delivery(worker, Claims(), SlowDomains(), connect_to=server.connect).deliver()
        sent.set()

    class Drawing(Worker):
        """A worker during whose draw a newer code is asked for."""

        def call(self, service: str, method: str, *, deadline: float = 5.0, **asked: Any) -> Any:
            queued.append(runner.submit(queue_and_deliver_newer))
            assert not sent.wait(0.5)
            return super().call(service, method, **asked)

    busy = Drawing(worker.settings, worker.store, worker.clock, worker.newest, worker.drawn)
    with ThreadPoolExecutor(1) as runner:
        Delivery(busy, Claims(), SlowDomains(), connect_to=server.connect).deliver()
        queued[0].result()
    (last,) = [one for one in server.accepted if letter_of(one) == newer.letter_id]
    assert worker.newest[registration_id] in text_of(last)


def test_a_report_that_comes_while_its_letter_is_marked_as_sent_waits_without_the_log(
    worker: Worker, database: Any
) -> None:
    request, locked, goes_on = letter(), Event(), Event()
    worker.queue(request)

    def mark_sent(session: Session, command: application.MarkSent) -> None:
        session.peek.outbox.lock([command.letter_id])
        locked.set()
        assert goes_on.wait(20)
        application.mark_sent(session, command)

    def waits_for_a_row() -> bool:
        with database.owner("notifications") as owner:
            found = owner.execute(
                "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted"
                " AND locktype <> 'advisory' AND datname = current_database()"
            ).fetchone()
        return bool(found[0])

    sent = application.MarkSent(letter_id=request.letter_id, message_id="<1@x>", attempts=1)
    report = DeliveryReport(request.letter_id, None, "5.1.1", failed=True)
    with ThreadPoolExecutor(2) as both:
        marking = both.submit(worker.store.transact, mark_sent, sent)
        assert locked.wait(20)
        noting = both.submit(worker.store.transact, note_reports, [report])
        eventually(waits_for_a_row, "the report waits")
        goes_on.set()
        marking.result(20)
        assert noting.result(20) == 1
    assert worker.states() == {"bounced": 1}


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


@pytest.mark.parametrize("seed", range(3))
def test_whatever_fails_every_letter_arrives_and_the_last_code_works(
    worker: Worker, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311
    requests = [code() if chance.random() < 0.5 else letter() for _ in range(40)]
    worker.queue(*requests)
    server = MailServer(chance)
    deliveries = [
        Delivery(worker, Claims(), SlowDomains(), connect_to=server.connect) for _ in range(3)
    ]
    for _ in range(400):
        try:
            if chance.random() < 0.1:
                worker.claim()  # by a runner that is killed
            chance.choice(deliveries).deliver()
        except ServerUnavailableError:
            pass
        worker.clock.advance(timedelta(seconds=chance.choice((1, 10, 100, 1000))))
        if not worker.waiting():
            break
    assert worker.states() == {"sent": len(requests)}
    last = {letter_of(message): message for message in server.accepted}
    assert set(last) == {request.letter_id for request in requests}
    for request in requests:
        if request.kind is LetterKind.REGISTRATION_CODE:
            newest = worker.newest[str(request.refs["registration_id"])]
            assert newest in text_of(last[request.letter_id])


def test_letters_are_queued_in_sets_each_once(worker: Worker) -> None:
    requests = [letter(LetterKind.BILL_READY) for _ in range(1000)]
    assert worker.queue(*requests[:600]) == 600
    assert worker.queue(*requests) == 400
    assert worker.queue(*requests) == 0
    assert worker.waiting() == 1000
    assert worker.states() == {"queued": 1000}


def test_letters_of_an_earlier_version_are_delivered_as_they_were_drawn(worker: Worker) -> None:
    plain, secret, late = (letter() for _ in range(3))
    worker.queue(plain, secret, late)
    content = Content(to="old@example.org", subject="Тема", text="Текст\n", html="<p>Текст</p>")
    now = worker.clock.now()
    for request, until in ((plain, None), (secret, now + timedelta(hours=1)), (late, now)):
        with worker.store.transaction() as cursor:
            sealed = seal(worker.settings, request.letter_id, content)
            cursor.execute(
                "UPDATE outbox SET sealed = %s, sealed_until = %s WHERE letter_id = %s",
                (sealed, until, request.letter_id),
            )
    server = MailServer()
    assert Delivery(worker, Claims(), SlowDomains(), connect_to=server.connect).deliver() == 3
    assert {str(message["Message-ID"])[1:37] for message in server.accepted} == {
        str(plain.letter_id),
        str(secret.letter_id),
    }
    assert {message["To"] for message in server.accepted} == {"old@example.org"}
    assert worker.states() == {"sent": 2, "failed": 1}
