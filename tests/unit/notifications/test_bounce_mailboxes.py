"""The mailbox of reports: what was understood is deleted, the rest is left to a person."""

from __future__ import annotations

import imaplib
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest
from prometheus_client import REGISTRY

from services.notifications import bounce_mailboxes, bounces
from services.notifications.bounce_mailboxes import (
    BounceMailbox,
    ImapFolder,
    MailboxUnavailableError,
    opened,
)
from services.notifications.bounces import read_bounces
from services.notifications.delivery_reports import MAX_BYTES
from shared.config import ConfigurationError, Settings, load_settings
from tests.imap_double import Folder, serving_imap

MESSAGES = {b"first": b"Subject: 1\r\n\r\nx", b"second": b"Subject: 2\r\n\r\ny"}


def in_folder(folder: Path, name: str, content: bytes) -> None:
    for part in ("tmp", "new", "cur"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "new" / name).write_bytes(content)


@pytest.fixture
def imap(monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    folder = Folder()
    with serving_imap(folder) as port:

        def connect(asked: ImapFolder) -> imaplib.IMAP4:
            return imaplib.IMAP4("127.0.0.1", port, timeout=10)

        monkeypatch.setattr(bounce_mailboxes, "connected", connect)
        yield folder


IMAP_URL = "imaps://bounces%40saldo.example:wonderland@mail.example/Reports"


def deal_with(mailbox: BounceMailbox) -> list[bytes]:
    """Delete the first message and set the others aside; return all."""
    read = []
    for number, (key, content) in enumerate(list(mailbox.unread(10))):
        read.append(content)
        if number == 0:
            mailbox.delete(key)
        else:
            mailbox.set_aside(key)
    return read


def test_maildir_is_read_once(tmp_path: Path) -> None:
    url = f"maildir://{tmp_path}/bounces"
    with opened(url) as mailbox:
        assert list(mailbox.unread(10)) == [], "nobody has written to it yet"
    for name, content in MESSAGES.items():
        in_folder(tmp_path / "bounces", f"1.{name.decode()}", content)
    with opened(url) as mailbox:
        assert deal_with(mailbox) == list(MESSAGES.values())
    with opened(url) as mailbox:
        assert list(mailbox.unread(10)) == []
    [left] = (tmp_path / "bounces" / "cur").iterdir()
    assert left.name == "1.second:2,S"
    assert left.read_bytes() == MESSAGES[b"second"]


def test_maildir_yields_the_beginning_of_so_many_messages(tmp_path: Path) -> None:
    for number in range(5):
        in_folder(tmp_path, f"{number}", b"x" * (MAX_BYTES + 7))
    (tmp_path / "new" / "0-folder").mkdir()
    (tmp_path / "new" / "0-link").symlink_to("/etc/passwd")
    with opened(f"maildir://{tmp_path}") as mailbox:
        found = list(mailbox.unread(2))
    assert [key for key, _ in found] == ["0", "1"]
    assert {len(content) for _, content in found} == {MAX_BYTES}


def test_imap_folder_is_read_once(imap: Folder) -> None:
    first, second = map(imap.add, MESSAGES.values())
    with opened(IMAP_URL) as mailbox:
        assert deal_with(mailbox) == list(MESSAGES.values())
    assert first not in imap.messages
    assert imap.flags[second] == {r"\Seen", r"\Flagged"}
    with opened(IMAP_URL) as mailbox:
        assert list(mailbox.unread(10)) == []
    assert 'SELECT "Reports"' in imap.asked


def test_imap_message_that_was_not_dealt_with_stays_unread(imap: Folder) -> None:
    imap.add(b"x" * (MAX_BYTES + 7))
    for _ in range(2):
        with opened(IMAP_URL) as mailbox:
            [(_, content)] = mailbox.unread(10)
            assert len(content) == MAX_BYTES


@pytest.mark.parametrize("verb", ["LOGIN", "SELECT", "SEARCH", "FETCH", "STORE", "CLOSE"])
def test_broken_connection_is_no_mailbox(imap: Folder, verb: str) -> None:
    imap.add(b"Subject: 1\r\n\r\nx")
    imap.broken_at = verb
    with pytest.raises(MailboxUnavailableError), opened(IMAP_URL) as mailbox:
        deal_with(mailbox)
    assert imap.flags == {1: set()} or verb == "CLOSE"


def test_wrong_password_is_no_mailbox_and_is_not_repeated(imap: Folder) -> None:
    imap.password = "other"
    with pytest.raises(MailboxUnavailableError) as failure, opened(IMAP_URL):
        pass
    assert "wonderland" not in str(failure.value)
    assert failure.value.__cause__ is None
    assert "wonderland" not in repr(ImapFolder.parse(IMAP_URL))


def test_unreachable_server_is_no_mailbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounce_mailboxes, "TIMEOUT", 1.0)
    with (
        pytest.raises(MailboxUnavailableError),
        opened("imaps://user:password@127.0.0.1:1/INBOX"),
    ):
        pass


@pytest.mark.parametrize(
    "url",
    [
        "imap://user:secret@host/",
        "imaps://user:secret@host:x/",
        "imaps://user:secret@[/",
        "imaps://host/",
        "maildir://host/path",
        "/path",
        "x",
    ],
)
def test_other_urls_are_refused_by_the_settings_without_their_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load_settings({"SALDO_BOUNCES_URL": url})
    assert "user:password@host/folder" in str(refusal.value)
    assert "SALDO_BOUNCES_URL" in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("act", ["delete", "set_aside"])
def test_maildir_that_cannot_be_written_is_no_mailbox(tmp_path: Path, act: str) -> None:
    in_folder(tmp_path, "1", b"Subject: 1\r\n\r\nx")
    with opened(f"maildir://{tmp_path}") as mailbox:
        [(key, _)] = mailbox.unread(10)
        shutil.rmtree(tmp_path / "new")
        (tmp_path / "new").write_bytes(b"no folder")
        with pytest.raises(MailboxUnavailableError):
            getattr(mailbox, act)(key)


def test_message_that_breaks_its_reader_is_set_aside_and_counted_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_folder(tmp_path, "1", b"Subject: 1\r\n\r\nx")
    monkeypatch.setattr(bounces, "read_report", Mock(side_effect=RecursionError))
    services = cast(Any, SimpleNamespace(settings=Settings(bounces_url=f"maildir://{tmp_path}")))
    before = counted("unreadable")
    assert read_bounces(services) == 1
    assert counted("unreadable") == before + 1
    assert [path.name for path in (tmp_path / "cur").iterdir()] == ["1:2,S"]


def test_a_run_without_a_mailbox_is_counted(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"no folder")
    services = cast(Any, SimpleNamespace(settings=Settings(bounces_url=f"maildir://{tmp_path}")))
    before = counted("no_mailbox")
    assert read_bounces(services) == 0
    assert counted("no_mailbox") == before + 1


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("saldo_letter_reports_total", {"outcome": outcome}) or 0.0


def test_message_that_a_person_takes_meanwhile_is_left_out(tmp_path: Path) -> None:
    for name in ("1", "2"):
        in_folder(tmp_path, name, name.encode())
    with opened(f"maildir://{tmp_path}") as mailbox:
        read = mailbox.unread(10)
        assert next(read) == ("1", b"1")
        (tmp_path / "new" / "2").unlink()
        assert list(read) == []
        mailbox.delete("2")
