"""Delivery, with a fake mail server."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from smtplib import SMTPSenderRefused
from typing import Any
from uuid import UUID, uuid4

import pytest
from letter_doubles import SETTINGS, FakeMailServer, Harness, contacts

from services.notifications import application, outcomes
from services.notifications.claims import Claims
from services.notifications.delivery import PORTION, Delivery
from services.notifications.domain import LetterFailed, LetterSent
from services.notifications.envelope import Content, seal
from services.notifications.mailer import (
    ConnectionBrokenError,
    DeferredError,
    RefusedError,
    SmtpConnection,
    connect,
)
from services.notifications.requests import Lane, LetterRequest
from services.notifications.slow_domains import SlowDomains
from shared.config import ConfigurationError
from shared.context import bind
from shared.contracts.notifications import LetterKind
from shared.errors import Conflict, Unavailable
from shared.letters import LETTER_LIFE
from shared.smtp import ServerUnavailableError, SmtpServer


class Codes:
    """Identity, which draws another code each time, valid for a quarter of an hour."""

    def __init__(self) -> None:
        self.drawn: list[str] = []

    def issue(self, registration_id: str) -> dict[str, Any]:
        self.drawn.append(f"{len(self.drawn) + 1:06d}")
        email = "new@example.org"
        return {"kind": "code", "email": email, "code": self.drawn[-1], "valid_minutes": 15}


@pytest.fixture
def codes() -> Codes:
    return Codes()


@pytest.fixture
def harness(codes: Codes) -> Harness:
    return Harness(
        {
            "identity.contacts": contacts,
            "identity.issue_registration_code": codes.issue,
            "identity.secret_needed": {"needed": True},
        }
    )


@pytest.fixture
def server() -> FakeMailServer:
    return FakeMailServer()


def queue(harness: Harness, kind: LetterKind = LetterKind.PASSWORD_CHANGED, **refs: str) -> UUID:
    letter_id = uuid4()
    request = LetterRequest(
        letter_id=letter_id,
        kind=kind,
        person_id=uuid4(),
        refs={"at": harness.clock.now().isoformat(), **refs},
    )
    with bind(correlation_id=f"journey-{letter_id}"):
        harness.store.transact(application.queue_letters, [request])
    return letter_id


def queue_code(harness: Harness) -> UUID:
    return queue(harness, LetterKind.REGISTRATION_CODE, registration_id=str(uuid4()))


def queue_before_the_upgrade(harness: Harness, **changes: Any) -> UUID:
    """Queue as the version did that drew letters when they were queued."""
    letter_id = queue(harness)
    content = Content(to="old@example.org", subject="Тема", text="Текст\n", html="<p>Текст</p>")
    row = harness.store.read_model.outbox.rows[letter_id]
    row.sealed = seal(SETTINGS, letter_id, content)
    for name, value in changes.items():
        setattr(row, name, value)
    return letter_id


def delivery_of(harness: Harness, server: FakeMailServer, lowest: Lane = Lane.BULK) -> Delivery:
    return Delivery(harness, Claims(), SlowDomains(), lowest=lowest, connect_to=server.connect)


def deliver(harness: Harness, server: FakeMailServer) -> int:
    return delivery_of(harness, server).deliver()


def no_server(harness: Harness, server: FakeMailServer) -> None:
    """Try to deliver while there is no mail server."""
    with pytest.raises(ServerUnavailableError):
        deliver(harness, server)


def test_letters_share_a_connection_and_are_marked_sent(
    harness: Harness, server: FakeMailServer
) -> None:
    ids = [queue(harness), queue(harness), queue(harness)]
    assert deliver(harness, server) == 3
    assert server.connections == 1
    expected = {f"<{letter_id}.1@saldo.example>" for letter_id in ids}
    assert {message["Message-ID"] for message in server.accepted} == expected
    assert harness.queued == []
    sent = [entry for entry in harness.store.log if isinstance(entry.event, LetterSent)]
    assert {entry.event.message_id for entry in sent} == expected
    assert {entry.correlation_id for entry in sent} == {f"journey-{i}" for i in ids}
    assert {entry.actor for entry in sent} == {"service:notifications"}
    assert deliver(harness, server) == 0
    assert server.connections == 1


def test_a_code_is_drawn_when_the_server_is_there_again(
    harness: Harness, server: FakeMailServer, codes: Codes
) -> None:
    queue_code(harness)
    server.down = ServerUnavailableError("no connection")
    for _ in range(4):
        no_server(harness, server)
        harness.clock.advance(timedelta(hours=1))
    assert codes.drawn == []
    server.down = None
    assert deliver(harness, server) == 1
    assert codes.drawn == ["000001"]
    assert "000001" in server.text_of(0)


def test_an_unknown_outcome_is_sent_again_unchanged(
    harness: Harness, server: FakeMailServer, codes: Codes
) -> None:
    queue_code(harness)
    server.breaks_after_the_dot = 1
    assert deliver(harness, server) == 1
    harness.clock.advance(timedelta(minutes=7))
    assert deliver(harness, server) == 1
    assert codes.drawn == ["000001"]
    first, second = server.accepted
    assert first.as_bytes() == second.as_bytes()


@pytest.mark.parametrize("kind", [LetterKind.REGISTRATION_CODE, LetterKind.PASSWORD_CHANGED])
def test_few_copies_arrive_however_often_the_answer_is_lost(
    harness: Harness, server: FakeMailServer, kind: LetterKind
) -> None:
    queue(harness, kind, registration_id=str(uuid4()))
    server.breaks_after_the_dot = 100
    arrived = []
    for second in range(0, 451, 10):
        if deliver(harness, server):
            arrived.append(second)
        harness.clock.advance(timedelta(seconds=10))
    assert arrived == [0, 30, 150, 450]


def test_a_server_that_says_that_it_closes_has_not_accepted_the_letter(
    harness: Harness, server: FakeMailServer
) -> None:
    queue(harness)
    server.answers = [ConnectionBrokenError("replied 421", may_have_arrived=False)]
    assert deliver(harness, server) == 1
    harness.clock.advance(timedelta(seconds=5))
    assert deliver(harness, server) == 1
    assert len(server.accepted) == 1


@pytest.mark.parametrize(
    ("code", "text", "raised"),
    [
        (552, b"5.3.4 Message size exceeds fixed limit", RefusedError),
        (552, b"Error: message size exceeds fixed maximum message size", RefusedError),
        (552, b"5.2.2 exceeded storage allocation", ServerUnavailableError),
        (550, b"5.7.1 sender rejected", ServerUnavailableError),
    ],
)
def test_a_letter_that_is_too_large_is_refused_and_no_other(
    code: int, text: bytes, raised: type[Exception]
) -> None:
    class Server:
        def send_message(self, *_: Any, **__: Any) -> None:
            raise SMTPSenderRefused(code, text, "no-reply@saldo.example")

    connection = SmtpConnection(Server())  # type: ignore[arg-type]
    with pytest.raises(raised):
        connection.send(EmailMessage(), "no-reply@saldo.example")


def test_a_secret_that_was_used_is_not_sent_again(harness: Harness, server: FakeMailServer) -> None:
    letter_id = queue_code(harness)
    server.breaks_after_the_dot = 1
    assert deliver(harness, server) == 1
    harness.answers["identity.secret_needed"] = {"needed": False}
    harness.clock.advance(timedelta(minutes=1))
    assert deliver(harness, server) == 1
    assert len(server.accepted) == 1
    assert harness.events[-1] == LetterFailed(kind="registration_code", reason="stale")
    asked_for = harness.store.read_model.letters[letter_id]["refs"]["registration_id"]
    asked = {"secret": "registration", "about": asked_for}
    assert harness.calls[-1] == ("identity.secret_needed", asked)


def test_an_invitation_that_has_ended_is_not_sent_again(
    harness: Harness, server: FakeMailServer
) -> None:
    invitation = {
        "email": "guest@example.org",
        "number": "0100000001",
        "address": "ул. Мира, 1",
        "role": "viewer",
        "token": "t",
        "valid_days": 7,
        "expires_at": (harness.clock.now() + timedelta(days=7)).isoformat(),
    }
    harness.answers["accounts.issue_invitation"] = invitation
    harness.answers["identity.language_of_address"] = {"language": None}
    queue(harness, LetterKind.INVITATION, invitation_id=str(uuid4()))
    server.breaks_after_the_dot = 2
    for _ in range(2):
        assert deliver(harness, server) == 1
        harness.clock.advance(timedelta(minutes=10))
    harness.answers["accounts.issue_invitation"] = Conflict("invitation_ended", "Withdrawn.")
    assert deliver(harness, server) == 1
    assert [message["To"] for message in server.accepted] == ["guest@example.org"] * 2
    assert harness.events[-1] == LetterFailed(kind="invitation", reason="stale")


def test_a_kept_letter_waits_for_an_owner_that_does_not_answer(
    harness: Harness, server: FakeMailServer, codes: Codes
) -> None:
    queue_code(harness)
    server.breaks_after_the_dot = 1
    deliver(harness, server)
    harness.answers["identity.secret_needed"] = Unavailable("no_answer", "Later.")
    harness.clock.advance(timedelta(minutes=1))
    assert deliver(harness, server) == 1
    assert len(server.accepted) == 1
    harness.answers["identity.secret_needed"] = {"needed": True}
    harness.clock.advance(timedelta(minutes=1))
    assert deliver(harness, server) == 1
    first, second = server.accepted
    assert first.as_bytes() == second.as_bytes()


def test_a_code_that_is_half_spent_is_drawn_anew_under_another_message_id(
    harness: Harness, server: FakeMailServer, codes: Codes
) -> None:
    letter_id = queue_code(harness)
    server.breaks_after_the_dot = 1
    deliver(harness, server)
    harness.clock.advance(timedelta(minutes=8))
    assert deliver(harness, server) == 1
    assert codes.drawn == ["000001", "000002"]
    assert [message["Message-ID"] for message in server.accepted] == [
        f"<{letter_id}.1@saldo.example>",
        f"<{letter_id}.2@saldo.example>",
    ]
    assert "000002" in server.text_of(1)


def test_a_letter_without_a_secret_keeps_its_message_id(
    harness: Harness, server: FakeMailServer
) -> None:
    queue(harness)
    server.breaks_after_the_dot = 1
    deliver(harness, server)
    harness.clock.advance(timedelta(hours=1))
    deliver(harness, server)
    first, second = server.accepted
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]


def test_temporary_refusal_is_retried(harness: Harness, server: FakeMailServer) -> None:
    queue(harness)
    server.answers = [DeferredError(451)]
    assert deliver(harness, server) == 1
    assert deliver(harness, server) == 0
    harness.clock.advance(timedelta(seconds=5))
    assert deliver(harness, server) == 1
    assert harness.events[-1].attempts == 2


def test_permanent_refusal_fails_the_letter(harness: Harness, server: FakeMailServer) -> None:
    queue(harness)
    queue(harness)
    server.answers = [RefusedError(550)]
    assert deliver(harness, server) == 2
    assert harness.queued == []
    assert LetterFailed(kind="password_changed", reason="refused_by_server") in harness.events
    assert len(server.accepted) == 1


def test_a_broken_connection_delays_only_its_letter(
    harness: Harness, server: FakeMailServer
) -> None:
    queue(harness)
    queue(harness)
    server.answers = [ConnectionBrokenError("hung up")]
    assert deliver(harness, server) == 1
    assert deliver(harness, server) == 1
    assert server.connections == 2
    assert [row.attempts for row in harness.queued] == [1]


def test_without_a_server_no_letter_is_touched(harness: Harness, server: FakeMailServer) -> None:
    queue(harness)
    queue(harness)
    server.down = ServerUnavailableError("no connection")
    no_server(harness, server)
    assert [(row.attempts, row.claimed_by) for row in harness.queued] == [(0, None)] * 2
    server.down = None
    assert deliver(harness, server) == 2


def test_without_a_server_for_five_days_letters_are_given_up(
    harness: Harness, server: FakeMailServer
) -> None:
    queue(harness)
    server.down = ServerUnavailableError("no connection")
    harness.clock.advance(LETTER_LIFE)
    no_server(harness, server)
    assert harness.queued == []
    assert harness.events[-1] == LetterFailed(kind="password_changed", reason="gave_up")


def test_a_refused_sender_stops_the_connection_and_not_the_other_letters(
    harness: Harness, server: FakeMailServer
) -> None:
    queue(harness)
    queue(harness)
    server.answers = [ServerUnavailableError("the sender is refused: 552")]
    no_server(harness, server)
    assert [row.attempts for row in harness.queued] == [1, 0]
    assert deliver(harness, server) == 1


def test_a_letter_that_has_become_pointless_is_not_sent(
    harness: Harness, server: FakeMailServer
) -> None:
    queue_code(harness)
    harness.answers["identity.issue_registration_code"] = Conflict("confirmed", "Confirmed.")
    assert deliver(harness, server) == 1
    assert server.accepted == []
    assert harness.queued == []
    assert harness.events[-1] == LetterFailed(kind="registration_code", reason="stale")


def test_a_letter_after_its_time_is_not_sent(harness: Harness, server: FakeMailServer) -> None:
    queue(harness)
    harness.queued[0].not_after = harness.clock.now() + timedelta(hours=1)
    harness.clock.advance(timedelta(hours=1))
    assert deliver(harness, server) == 1
    assert server.accepted == []
    assert harness.events[-1] == LetterFailed(kind="password_changed", reason="stale")


def test_an_owner_that_does_not_answer_delays_the_letter(
    harness: Harness, server: FakeMailServer
) -> None:
    queue_code(harness)
    queue(harness)
    answer = harness.answers["identity.issue_registration_code"]
    harness.answers["identity.issue_registration_code"] = Unavailable("no_answer", "Later.")
    assert deliver(harness, server) == 2
    assert len(server.accepted) == 1
    harness.answers["identity.issue_registration_code"] = answer
    harness.clock.advance(timedelta(seconds=5))
    assert deliver(harness, server) == 1
    assert harness.queued == []


def test_a_recipe_that_fails_delays_its_letter_alone(
    harness: Harness, server: FakeMailServer, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = queue(harness, LetterKind.SECOND_FACTOR_CHANGED)
    queue(harness)
    assert deliver(harness, server) == 2
    assert len(server.accepted) == 1
    assert [(row.letter_id, row.attempts) for row in harness.queued] == [(broken, 1)]


def test_an_impossible_address_does_not_stop_the_others(
    harness: Harness, server: FakeMailServer
) -> None:
    queue_code(harness)
    issued = {"kind": "code", "email": "a@b.ru\r\nBcc: thief@evil.example", "code": "1"}
    harness.answers["identity.issue_registration_code"] = {**issued, "valid_minutes": 15}
    queue(harness)
    assert deliver(harness, server) == 2
    assert len(server.accepted) == 1
    assert LetterFailed(kind="registration_code", reason="undeliverable") in harness.events


def test_a_letter_drawn_before_the_upgrade_is_delivered_as_it_is(
    harness: Harness, server: FakeMailServer
) -> None:
    letter_id = queue_before_the_upgrade(harness)
    assert deliver(harness, server) == 1
    (message,) = server.accepted
    assert message["To"] == "old@example.org"
    assert message["Message-ID"] == f"<{letter_id}@saldo.example>"
    assert harness.calls == []


def test_a_secret_drawn_before_the_upgrade_goes_stale(
    harness: Harness, server: FakeMailServer
) -> None:
    queue_before_the_upgrade(harness, sealed_until=harness.clock.now() + timedelta(minutes=15))
    harness.clock.advance(timedelta(minutes=15))
    assert deliver(harness, server) == 1
    assert server.accepted == []
    assert harness.events[-1] == LetterFailed(kind="password_changed", reason="stale")


def test_a_letter_sealed_under_another_secret_waits(
    harness: Harness, server: FakeMailServer
) -> None:
    content = Content(to="a@b.ru", subject="", text="", html="")
    queue_before_the_upgrade(harness, sealed=seal(SETTINGS, uuid4(), content))
    assert deliver(harness, server) == 1
    assert [row.attempts for row in harness.queued] == [1]


def test_a_lost_claim_is_not_handed_over(
    harness: Harness, server: FakeMailServer, codes: Codes
) -> None:
    queue(harness)
    secret = queue_code(harness)
    rows = harness.store.read_model.outbox.rows

    def take_over(person_ids: list[str]) -> dict[str, Any]:
        for row in rows.values():
            row.claimed_by = uuid4()
        return contacts(person_ids)

    harness.answers["identity.contacts"] = take_over
    deliver(harness, server)
    assert len(server.accepted) == 1
    assert secret not in rows
    assert [row.attempts for row in rows.values()] == [0]


def test_a_bulk_queue_is_claimed_after_the_secrets_and_in_portions(
    harness: Harness, server: FakeMailServer
) -> None:
    bulk = [queue(harness) for _ in range(PORTION + 1)]
    for letter_id in bulk:
        harness.store.read_model.outbox.rows[letter_id].lane = Lane.BULK
    code = queue_code(harness)
    assert delivery_of(harness, server, Lane.PERSONAL).deliver() == 1
    late: list[UUID] = []

    def queue_one_more(person_ids: list[str]) -> dict[str, Any]:
        if not late:
            late.append(queue_code(harness))
        return contacts(person_ids)

    harness.answers["identity.contacts"] = queue_one_more
    assert deliver(harness, server) == PORTION + 2
    places = [message["Message-ID"] for message in server.accepted]
    assert places.index(f"<{code}.1@saldo.example>") == 0
    assert places.index(f"<{late[0]}.1@saldo.example>") == PORTION + 1


def test_a_domain_that_defers_is_slowed_down_and_no_other(
    harness: Harness, server: FakeMailServer
) -> None:
    for _ in range(3):
        queue(harness)
    *_, last = [str(row["person_id"]) for row in harness.store.read_model.letters.values()]
    harness.answers["identity.contacts"] = lambda person_ids: {
        "contacts": {
            one: {"email": f"a@{'quick' if one == last else 'slow'}.example"} for one in person_ids
        }
    }
    server.answers = [DeferredError(450)]
    assert deliver(harness, server) == 3
    assert [message["To"] for message in server.accepted] == ["a@quick.example"]
    assert [row.attempts for row in harness.queued] == [1, 0]


def test_a_secret_does_not_wait_for_a_slow_domain(harness: Harness, server: FakeMailServer) -> None:
    delivery = delivery_of(harness, server)
    for _ in range(2):
        queue_code(harness)
    server.answers = [DeferredError(450)]
    assert delivery.deliver() == 2
    assert len(server.accepted) == 1


def test_a_bounce_goes_to_the_mailbox_of_bounces_with_the_id_of_the_letter(
    harness: Harness, server: FakeMailServer
) -> None:
    queue(harness)
    deliver(harness, server)
    harness.settings = replace(SETTINGS, mail_bounces="bounces@saldo.example")
    letter_id = queue(harness)
    deliver(harness, server)
    assert server.senders == [
        "no-reply@saldo.example",
        f"bounces+{letter_id.hex}@saldo.example",
    ]


def test_marking_as_sent_is_retried(
    harness: Harness, server: FakeMailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(harness)
    refusals = [Unavailable("database_unavailable", "Again."), None]
    transact = harness.store.transact

    def flaky(handler: object, command: object) -> object:
        if handler is application.mark_sent and (refusal := refusals.pop(0)):
            raise refusal
        return transact(handler, command)

    monkeypatch.setattr(harness.store, "transact", flaky)
    monkeypatch.setattr(outcomes, "MARK_SENT_PAUSE", 0.0)
    assert deliver(harness, server) == 1
    assert len(server.accepted) == 1
    assert isinstance(harness.events[-1], LetterSent)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail", SmtpServer("mail", 25, None, None, False, False)),
        ("smtp://127.0.0.1:18025", SmtpServer("127.0.0.1", 18025, None, None, False, False)),
        ("smtp://u%40d:p%3A@mail?starttls", SmtpServer("mail", 587, "u@d", "p:", False, True)),
        ("smtps://u:p@mail", SmtpServer("mail", 465, "u", "p", True, False)),
    ],
)
def test_smtp_url_is_parsed(url: str, server: SmtpServer) -> None:
    assert SmtpServer.parse(url) == server
    assert "p" not in {server.password} & set(repr(server).split("'"))


@pytest.mark.parametrize("url", ["", "mail:25", "http://mail", "smtp://u:hidden@mail?tls"])
def test_invalid_smtp_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SmtpServer.parse(url)
    assert "hidden" not in str(caught.value)


def test_no_server_at_the_address_is_unavailable(free_port: int) -> None:
    with pytest.raises(ServerUnavailableError), connect(f"smtp://127.0.0.1:{free_port}"):
        pytest.fail("there is nothing to talk to")
