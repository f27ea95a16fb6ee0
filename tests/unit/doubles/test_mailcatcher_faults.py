"""The mail catcher fails as real mail servers do, where a test switches a fault on."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from urllib.parse import urlsplit

import pytest
import requests

from deploy.doubles.mailcatcher.faults import Faults
from deploy.doubles.mailcatcher.letters import Letters
from tests.mail_catcher import MailCatcher, running_mail_catcher

SENDER, RECIPIENT = "bounces+1@saldo.invalid", "a@example.org"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailCatcher]:
    with running_mail_catcher(tmp_path_factory.mktemp("catcher")) as catcher:
        yield catcher


@pytest.fixture
def catcher(running: MailCatcher) -> Iterator[MailCatcher]:
    yield running
    running.clear()


def opened(catcher: MailCatcher) -> smtplib.SMTP:
    address = urlsplit(catcher.url)
    assert address.hostname is not None
    assert address.port is not None
    return smtplib.SMTP(address.hostname, address.port, timeout=10)


def letter(subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Saldo <no-reply@saldo.invalid>"
    message["To"] = RECIPIENT
    message["Subject"] = subject
    message["Message-ID"] = f"<{subject}@saldo.invalid>"
    message.set_content("text")
    return message


def send(catcher: MailCatcher, subject: str, *, sender: str = SENDER, to: str = RECIPIENT) -> None:
    with opened(catcher) as client:
        client.send_message(letter(subject), from_addr=sender, to_addrs=[to])


def kept(catcher: MailCatcher, subject: str) -> int:
    return sum(one["Subject"] == subject for one in catcher.arrived())


def test_closed_port_refuses_connections_until_it_opens_again(catcher: MailCatcher) -> None:
    with opened(catcher) as client:
        catcher.faults(down=True)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()
    with pytest.raises(ConnectionRefusedError):
        opened(catcher)
    catcher.faults(down=False)
    send(catcher, "open-again")
    assert kept(catcher, "open-again") == 1


def test_greylisting_refuses_the_first_attempt_alone(catcher: MailCatcher) -> None:
    catcher.faults(greylist=True)
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
        send(catcher, "grey")
    assert refusal.value.recipients[RECIPIENT][0] == 450
    send(catcher, "grey")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(catcher, "grey", sender="bounces+2@saldo.invalid")
    assert kept(catcher, "grey") == 1


@pytest.mark.parametrize(("fault", "code"), [("defer", 451), ("refuse", 550)])
def test_recipient_is_refused(catcher: MailCatcher, fault: str, code: int) -> None:
    catcher.faults(**{fault: True})
    for _ in range(2):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
            send(catcher, fault)
        assert refusal.value.recipients[RECIPIENT][0] == code
    assert kept(catcher, fault) == 0


def test_fault_of_one_domain_spares_the_others(catcher: MailCatcher) -> None:
    catcher.faults(refuse=True, only_to="@other.example")
    send(catcher, "spared")
    assert kept(catcher, "spared") == 1
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(catcher, "not-spared", to="a@other.example")


@pytest.mark.parametrize(
    ("only_to", "concerned"),
    [
        ("", True),
        ("anna@example.org", True),
        ("Example.org", True),
        ("@example.org", True),
        ("a@example.org", False),
        ("ple.org", False),
        ("org", False),
    ],
)
def test_faults_are_meant_for_an_address_or_a_whole_domain(only_to: str, concerned: bool) -> None:
    assert Faults(only_to=only_to).concern("Anna@example.org") is concerned


def test_content_is_refused_after_the_final_dot(catcher: MailCatcher) -> None:
    catcher.faults(refuse_content=True)
    with pytest.raises(smtplib.SMTPDataError):
        send(catcher, "content")
    assert kept(catcher, "content") == 0


@pytest.mark.parametrize(("fault", "copies"), [("lose_letter", 0), ("lose_answer", 1)])
def test_connection_is_cut_after_the_final_dot(
    catcher: MailCatcher, fault: str, copies: int
) -> None:
    catcher.faults(**{fault: True})
    with opened(catcher) as client, pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
        client.send_message(letter(fault), from_addr=SENDER)
    assert kept(catcher, fault) == copies


def test_delayed_reply_comes_when_the_fault_ends(catcher: MailCatcher) -> None:
    with opened(catcher) as client:
        assert client.sock is not None
        catcher.faults(slow_seconds=3600)
        client.sock.settimeout(0.3)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()
    catcher.faults(slow_seconds=0.1)
    send(catcher, "late-reply")
    assert kept(catcher, "late-reply") == 1


def test_bounced_letter_is_reported_to_its_sender(catcher: MailCatcher) -> None:
    catcher.faults(bounce=True)
    send(catcher, "bounced")
    send(catcher, "never-reported", sender="")
    assert kept(catcher, "bounced") == 0
    [report] = reports(catcher, "bounced")
    assert report["Delivered-To"] == SENDER
    assert report["Return-Path"] == "<>"
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    _, status, headers = report.iter_parts()
    of_recipient = status.get_payload()[1]  # type: ignore[union-attr]
    assert of_recipient["Action"] == "failed"  # type: ignore[index, call-overload]
    assert of_recipient["Status"] == "5.1.1"  # type: ignore[index, call-overload]
    assert "Message-ID: <bounced@saldo.invalid>" in str(headers.get_payload())
    assert reports(catcher, "never-reported") == []


def test_late_letter_is_delivered_and_reported(catcher: MailCatcher) -> None:
    catcher.faults(delay_report=True)
    send(catcher, "late")
    assert kept(catcher, "late") == 1
    [report] = reports(catcher, "late")
    assert "Action: delayed" in report.as_string()


def reports(catcher: MailCatcher, subject: str) -> list[EmailMessage]:
    box = Letters(catcher.bounces)
    found = [box.letter(heading.key) for heading in box.headings()]
    mentioned = f"<{subject}@saldo.invalid>"
    return [
        one
        for one in found
        if one is not None and mentioned in one.as_string(policy=policy.default)
    ]


def test_unknown_fault_changes_nothing(catcher: MailCatcher) -> None:
    for body in ({"unknown": True}, {"down": 1}, {"only_to": 5}, ["down"]):
        answer = requests.put(f"{catcher.pages}/admin/faults", json=body, timeout=5)
        assert answer.status_code == 422
    now = requests.get(f"{catcher.pages}/admin/faults", timeout=5).json()
    assert now["down"] is False
    foreign = {"Host": "evil.example"}
    for method in ("GET", "PUT", "DELETE"):
        answer = requests.request(
            method, f"{catcher.pages}/admin/faults", json={"down": True}, headers=foreign, timeout=5
        )
        assert answer.status_code == 403
