"""Letters through a real PostgreSQL and a real SMTP server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from services.discovery import open_store
from services.notifications import application
from services.notifications.application import LettersOf
from services.notifications.claims import Claims
from services.notifications.delivery import Delivery as Connection
from services.notifications.domain import LetterQueued
from services.notifications.reactions import REACTIONS
from services.notifications.requests import LetterRequest
from services.notifications.slow_domains import SlowDomains
from shared.bus import Publication
from shared.bus.messages import envelope
from shared.bus.reactions import Delivery as Arrived
from shared.bus.reactions import Reactions
from shared.config import Settings
from shared.contracts.notifications import LetterKind
from shared.eventstore import Recorded
from shared.eventstore.postgres import PostgresStore
from shared.smtp import ServerUnavailableError
from tests.fixed_clock import FixedClock
from tests.ports import free_port

pytestmark = pytest.mark.nodes

ADDRESS = "ivan.petrov@example.org"
CODE = "493027"

# A delivery that is killed after the final dot, before it marks the letter as sent.
KILLED_BEFORE_MARKING = f"""
import os
from services.notifications import application
from services.notifications.claims import Claims
from services.notifications.delivery import Delivery
from services.notifications.slow_domains import SlowDomains
from services.discovery import open_store
from shared.config import load_settings

class Services:
    settings = load_settings()
    store = open_store("notifications", settings)

    def call(self, *_, **__):
        return {{"kind": "code", "email": "{ADDRESS}", "code": "{CODE}", "valid_minutes": 15}}

application.mark_sent = lambda *_: os._exit(9)
Delivery(Services(), Claims(), SlowDomains()).deliver()
"""


class MailFake:
    """An SMTP server that gives the set replies, and stores what it accepts."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.accepted: list[EmailMessage] = []
        self.sessions: set[int] = set()
        self.recipients: list[list[str]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        answer = self.answers.pop(0) if self.answers else "250 accepted"
        if answer.startswith("250"):
            message = message_from_bytes(envelope.content, policy=policy.default)
            self.accepted.append(message)  # type: ignore[arg-type]
            self.sessions.add(id(session))
            self.recipients.append(envelope.rcpt_tos)
        return answer


@pytest.fixture
def sink() -> MailFake:
    return MailFake()


@pytest.fixture
def smtp_port(sink: MailFake) -> Iterator[int]:
    controller = Controller(sink, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield controller.port
    controller.stop()


@dataclass
class Delivery:
    """`Services` for the job."""

    settings: Settings
    store: PostgresStore
    clock: FixedClock
    asked: list[str] = field(default_factory=list)

    def call(self, service: str, method: str, *, deadline: float = 5.0, **kwargs: Any) -> Any:
        """Return what identity returns for a registration."""
        if method == "secret_needed":
            return {"needed": True}
        assert (service, method) == ("identity", "issue_registration_code")
        self.asked.append(kwargs["registration_id"])
        return {"kind": "code", "email": ADDRESS, "code": CODE, "valid_minutes": 15}

    def run(self) -> int:
        return Connection(self, Claims(), SlowDomains()).deliver()

    def queue(self, person_id: UUID | None = None) -> UUID:
        letter_id = uuid4()
        request = LetterRequest(
            letter_id=letter_id,
            kind=LetterKind.REGISTRATION_CODE,
            person_id=person_id,
            refs={"registration_id": str(letter_id)},
        )
        self.store.transact(application.queue_letters, [request])
        return letter_id


@pytest.fixture
def delivery(database: Any, smtp_port: int) -> Iterator[Delivery]:
    settings = replace(database.settings, smtp_url=f"smtp://127.0.0.1:{smtp_port}")
    # A whole second: the Date of a letter has no finer part.
    clock = FixedClock(datetime.now(UTC).replace(microsecond=0))
    store = open_store("notifications", settings, clock=clock)
    yield Delivery(settings, store, clock)
    store.close()


def everything_in(settings: Settings) -> str:
    """Return every value of every table of the service as text."""
    url = settings.database_url_of("notifications")
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'notifications'"
        ).fetchall()
        assert {"events", "letters", "outbox", "commands"} <= {name for (name,) in tables}
        values = [
            value.decode("latin-1") if isinstance(value, bytes) else str(value)
            for (name,) in tables
            for row in connection.execute(f'SELECT * FROM notifications."{name}"')  # type: ignore[arg-type]
            for value in row
        ]
    return "\n".join(values)


def waiting(settings: Settings) -> int:
    with psycopg.connect(settings.database_url_of("notifications")) as connection:
        row = connection.execute("SELECT count(*) FROM notifications.outbox").fetchone()
    assert row is not None
    return int(row[0])


def code_requested(position: int) -> Arrived:
    """Return what identity's relay sends for a registration."""
    registration_id = str(UUID(int=position))
    recorded = Recorded(
        originator_id=UUID(int=position),
        originator_version=1,
        position=position,
        recorded_at=datetime.now(UTC),
        command_id=uuid4(),
        actor="anonymous",
        correlation_id=f"journey-{position}",
        event=LetterQueued(kind="", person_id=None),  # only its position in the log matters here
    )
    data = {"registration_id": registration_id}
    publication = Publication("registration_code_requested", registration_id, data)
    sent = envelope("identity", recorded, publication, position - 1)
    return Arrived(sent.headers, sent.body)


def test_repeated_event_queues_one_letter(delivery: Delivery, sink: MailFake) -> None:
    handlers = REACTIONS["identity"]
    reactions = Reactions(delivery, delivery.store, "identity", handlers)
    first, second, third = (code_requested(position) for position in (1, 2, 3))
    reactions.apply([first, second])
    reactions.apply([second, third])
    assert delivery.asked == []
    assert delivery.run() == 3
    assert sorted(delivery.asked) == [str(UUID(int=position)) for position in (1, 2, 3)]
    assert len({str(message["Message-ID"]) for message in sink.accepted}) == 3
    for text in (CODE, ADDRESS):
        assert text not in everything_in(delivery.settings)
    journeys = {
        (logged.topic, logged.correlation_id) for logged in delivery.store.log_after(0, 100)
    }
    assert journeys == {
        (topic, f"journey-{position}")
        for topic in ("notifications.letter_queued.v1", "notifications.letter_sent.v1")
        for position in (1, 2, 3)
    }


def test_deferred_letter_is_retried_then_erased(delivery: Delivery, sink: MailFake) -> None:
    person = uuid4()
    letter_id = delivery.queue(person)
    sink.answers = ["451 try again later"]
    assert delivery.run() == 1
    assert sink.accepted == []
    assert waiting(delivery.settings) == 1
    assert delivery.run() == 0
    delivery.clock.advance(timedelta(seconds=5))
    assert delivery.run() == 1
    (message,) = sink.accepted
    assert sink.recipients == [[ADDRESS]]
    assert message["To"] == ADDRESS
    assert str(message["Message-ID"]).startswith(f"<{letter_id}.1@")
    body = message.get_body(("plain",))
    assert body is not None
    assert CODE in body.get_content()
    assert waiting(delivery.settings) == 0
    query = LettersOf(person_id=person, limit=10)
    answer = delivery.store.query(lambda session: application.letters_of(session, query))
    (row,) = answer["letters"]
    assert (row["letter_id"], row["kind"], row["state"]) == (
        str(letter_id),
        "registration_code",
        "sent",
    )
    assert row["sent_at"] is not None


def test_the_tables_show_no_address_and_no_code(delivery: Delivery, sink: MailFake) -> None:
    delivery.queue(uuid4())
    sink.answers = ["451 try again later"]
    for step in ("queued", "postponed", "sent"):
        text = everything_in(delivery.settings)
        for secret in (CODE, ADDRESS, "ivan.petrov"):
            assert secret not in text, step
        delivery.run()
        delivery.clock.advance(timedelta(seconds=5))
    assert len(sink.accepted) == 1


def test_crash_before_marking_as_sent_repeats_the_same_message(
    delivery: Delivery, sink: MailFake
) -> None:
    letter_id = delivery.queue()
    settings = delivery.settings
    environment = {
        **os.environ,
        "SALDO_SECRET": settings.secret.hex(),
        "SALDO_SMTP_URL": settings.smtp_url,
        "SALDO_DATABASE_URL_NOTIFICATIONS": settings.database_url_of("notifications"),
    }
    died = subprocess.run(
        [sys.executable, "-c", KILLED_BEFORE_MARKING], env=environment, check=False, timeout=60
    )
    assert died.returncode == 9
    assert len(sink.accepted) == 1
    assert waiting(settings) == 1
    assert delivery.run() == 0
    delivery.clock.advance(2 * application.LEASE)  # its own clock is that of the machine
    assert delivery.run() == 1
    first, second = sink.accepted
    assert first["Message-ID"] == second["Message-ID"]
    assert str(first["Message-ID"]).startswith(f"<{letter_id}.1@")
    assert first["Date"] == second["Date"]
    assert waiting(settings) == 0
    assert delivery.run() == 0


def test_permanently_refused_letter_is_erased_and_recorded(
    delivery: Delivery, sink: MailFake
) -> None:
    person = uuid4()
    delivery.queue(person)
    sink.answers = ["550 no such user here"]
    assert delivery.run() == 1
    assert waiting(delivery.settings) == 0
    query = LettersOf(person_id=person, limit=10)
    answer = delivery.store.query(lambda session: application.letters_of(session, query))
    assert answer["letters"][0]["state"] == "failed"
    assert answer["letters"][0]["sent_at"] is None


def test_many_letters_share_one_connection(delivery: Delivery, sink: MailFake) -> None:
    ids = {delivery.queue() for _ in range(20)}
    assert delivery.run() == 20
    assert len(sink.sessions) == 1
    assert {UUID(str(m["Message-ID"])[1:37]) for m in sink.accepted} == ids


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_letter_is_sent_with_a_password(delivery: Delivery, sink: MailFake) -> None:
    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        known = LoginPassword(b"saldo", b"p@ss:word")
        # Not handled: the server answers a wrong password, instead of leaving the client waiting.
        return AuthResult(success=data == known, handled=False)

    controller = Controller(
        sink,
        hostname="127.0.0.1",
        port=free_port(),
        authenticator=check,
        auth_required=True,
        auth_require_tls=False,
    )
    controller.start()
    try:
        delivery.queue()
        where = f"127.0.0.1:{controller.port}"
        delivery.settings = replace(delivery.settings, smtp_url=f"smtp://saldo:wrong@{where}")
        with pytest.raises(ServerUnavailableError):
            delivery.run()
        assert waiting(delivery.settings) == 1
        delivery.clock.advance(timedelta(seconds=5))
        url = f"smtp://saldo:p%40ss%3Aword@{where}"
        delivery.settings = replace(delivery.settings, smtp_url=url)
        assert delivery.run() == 1
    finally:
        controller.stop()
    assert len(sink.accepted) == 1
