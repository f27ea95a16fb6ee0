"""Delivery, with a fake mail server."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from letter_doubles import SETTINGS, FakeMailServer, Harness

from services.notifications import application, jobs
from services.notifications.application import QueueLetter
from services.notifications.domain import LetterFailed, LetterSent
from services.notifications.envelope import Content, seal
from services.notifications.jobs import deliver_letters
from services.notifications.mailer import (
    ConnectionBrokenError,
    DeferredError,
    RefusedError,
    connect,
)
from shared.config import ConfigurationError
from shared.context import bind
from shared.contracts.notifications import LetterKind
from shared.errors import Unavailable
from shared.smtp import ServerUnavailableError, SmtpServer


@pytest.fixture
def harness() -> Harness:
    return Harness()


@pytest.fixture
def server() -> FakeMailServer:
    return FakeMailServer()


def queue(harness: Harness, to: str = "a@example.org", **changes: object) -> UUID:
    letter_id = uuid4()
    content = Content(to=to, subject="Тема", text="Текст\n", html="<p>Текст</p>")
    command = QueueLetter(
        **{
            "letter_id": letter_id,
            "kind": LetterKind.PASSWORD_CHANGED,
            "person_id": None,
            "sealed": seal(SETTINGS, letter_id, content),
            **changes,
        }
    )
    with bind(correlation_id=f"journey-{letter_id}"):
        harness.store.transact(application.queue_letter, command)
    return letter_id


def deliver(harness: Harness, server: FakeMailServer) -> int:
    return deliver_letters(harness, server.connect)


def test_letters_share_a_connection_and_are_marked_sent(
    harness: Harness, server: FakeMailServer
) -> None:
    ids = [queue(harness), queue(harness), queue(harness)]
    assert deliver(harness, server) == 3
    assert server.connections == 1
    expected = {f"<{letter_id}@saldo.example>" for letter_id in ids}
    assert {message["Message-ID"] for message in server.accepted} == expected
    assert harness.queued == []
    sent = [entry for entry in harness.store.log if isinstance(entry.event, LetterSent)]
    assert {entry.event.message_id for entry in sent} == expected
    assert {entry.correlation_id for entry in sent} == {f"journey-{i}" for i in ids}
    assert {entry.actor for entry in sent} == {"service:notifications"}
    assert deliver(harness, server) == 0
    assert server.connections == 1


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


def test_without_a_server_every_letter_is_delayed(harness: Harness, server: FakeMailServer) -> None:
    queue(harness)
    queue(harness)
    server.down = ServerUnavailableError("no connection")
    assert deliver(harness, server) == 0
    assert [row.attempts for row in harness.queued] == [1, 1]
    assert deliver(harness, server) == 0
    assert server.connections == 1


def test_a_stale_secret_is_not_sent(harness: Harness, server: FakeMailServer) -> None:
    queue(
        harness,
        kind=LetterKind.REGISTRATION_CODE,
        secret_topic="registration:1",
        stale_at=harness.clock.now() + timedelta(minutes=15),
    )
    server.down = ServerUnavailableError("no connection")
    deliver(harness, server)
    server.down = None
    harness.clock.advance(timedelta(minutes=15))
    assert deliver(harness, server) == 1
    assert server.accepted == []
    assert harness.queued == []
    assert harness.events[-1] == LetterFailed(kind="registration_code", reason="stale")


def test_an_impossible_address_does_not_stop_the_others(
    harness: Harness, server: FakeMailServer
) -> None:
    queue(harness, to="a@b.ru\r\nBcc: thief@evil.example")
    queue(harness)
    assert deliver(harness, server) == 2
    assert len(server.accepted) == 1
    assert LetterFailed(kind="password_changed", reason="undeliverable") in harness.events


def test_a_letter_sealed_under_another_secret_waits(
    harness: Harness, server: FakeMailServer
) -> None:
    queue(
        harness, sealed=seal(SETTINGS, uuid4(), Content(to="a@b.ru", subject="", text="", html=""))
    )
    assert deliver(harness, server) == 1
    assert [row.attempts for row in harness.queued] == [1]


def test_marking_as_sent_is_retried(
    harness: Harness, server: FakeMailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(harness)
    outcomes = [Unavailable("database_unavailable", "Again."), None]
    transact = harness.store.transact

    def flaky(handler: object, command: object) -> object:
        if handler is application.mark_sent and (refusal := outcomes.pop(0)):
            raise refusal
        return transact(handler, command)

    monkeypatch.setattr(harness.store, "transact", flaky)
    monkeypatch.setattr(jobs, "MARK_SENT_PAUSE", 0.0)
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
