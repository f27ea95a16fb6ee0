"""The mail catcher stores every letter that it accepts, and shows it escaped."""

from __future__ import annotations

import asyncio
import mailbox
import smtplib
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from http.client import HTTPConnection
from pathlib import Path

import pytest

from deploy.doubles.mailcatcher.faults import FaultSwitch
from deploy.doubles.mailcatcher.letters import Letters, text_of
from deploy.doubles.mailcatcher.mailbox_page import MailboxServer
from deploy.doubles.mailcatcher.smtp import Catcher, Listener


@pytest.fixture
def letters(tmp_path: Path) -> Letters:
    return Letters(tmp_path / "mail")


@pytest.fixture
def page(letters: Letters) -> Iterator[int]:
    server = MailboxServer(("127.0.0.1", 0), letters, FaultSwitch(), on_faults=lambda: None)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def _letter(subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Saldo <no-reply@saldo.invalid>"
    message["To"] = "a@example.org"
    message["Subject"] = subject
    message.set_content(text)
    return message


def _get(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, str, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path, headers={"Host": f"{host}:{port}"})
    response = connection.getresponse()
    body = response.read().decode("utf-8")
    policy = response.getheader("Content-Security-Policy") or ""
    connection.close()
    return response.status, body, policy


def test_sent_letter_is_stored(letters: Letters) -> None:
    def send(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
            message = _letter("Код подтверждения", "Ваш код 123456\n.\n.точка")
            client.send_message(message, to_addrs=["a@example.org", "b@example.org"])

    async def run() -> None:
        faults = FaultSwitch()
        listener = Listener(Catcher(letters, faults, None), faults, "127.0.0.1", 0)
        await listener.follow()
        await asyncio.to_thread(send, listener.port)
        listener.close()

    asyncio.run(run())
    box = mailbox.Maildir(letters.folder, create=False)
    assert len(box) == 1
    [heading] = letters.headings()
    assert heading.subject == "Код подтверждения"
    assert heading.recipients == "a@example.org, b@example.org"
    message = letters.letter(heading.key)
    assert message is not None
    assert text_of(message) == "Ваш код 123456\n.\n.точка\n"


def test_newest_letter_is_listed_first(letters: Letters) -> None:
    for number in range(3):
        letters.add("s@x", ["r@x"], _letter(f"n{number}", "t").as_bytes())
    assert [heading.subject for heading in letters.headings()] == ["n2", "n1", "n0"]


def test_a_script_reads_the_letters_to_an_address(letters: Letters, page: int) -> None:
    for number, recipient in enumerate(("a@x", "b@x", "a@x")):
        letters.add("s@x", [recipient], _letter(f"n{number}", f"код {number}\r\n").as_bytes())
    assert _get(page, "/letters?to=a@x")[1] == "n2\n\nкод 2\n\nn0\n\nкод 0\n"
    assert _get(page, "/letters?to=nobody@x")[:2] == (200, "")
    assert _get(page, "/letters?to=a@x", host="evil.example")[0] == 403


def test_letters_are_escaped(letters: Letters, page: int) -> None:
    hostile = _letter("<script>alert(1)</script>", "<img src=x onerror=alert(2)>")
    key = letters.add("s@x", ["<b>r@x</b>"], hostile.as_bytes())
    for path in ("/", f"/letters/{key}"):
        status, body, policy = _get(page, path)
        assert status == 200
        assert "<script" not in body
        assert "<img" not in body
        assert "<b>r@x" not in body
        assert policy.startswith("default-src 'none'")


def test_paths_do_not_leave_the_mailbox(letters: Letters, page: int) -> None:
    letters.add("s@x", ["r@x"], b"Subject: x\r\n\r\ny")
    for path in ("/letters/../../etc/passwd", "/letters/..%2f..%2fetc%2fpasswd", "/letters/none"):
        assert _get(page, path)[0] == 404


def test_foreign_host_name_is_refused(page: int) -> None:
    assert _get(page, "/", host="evil.example")[0] == 403
    assert _get(page, "/", host="localhost")[0] == 200
