"""The caught letters: a Maildir, which any mail program and any test can read."""

from __future__ import annotations

import mailbox
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from threading import Lock


@dataclass(frozen=True)
class Heading:
    """One row of the list of letters."""

    key: str
    received_at: datetime
    sender: str
    recipients: str
    subject: str


class Letters:
    """Adds and reads letters. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = Lock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in ("tmp", "new", "cur"):
            (folder / part).mkdir(mode=0o700, exist_ok=True)
        self._box = mailbox.Maildir(folder, create=True)

    def add(self, sender: str, recipients: Iterable[str], content: bytes) -> str:
        """Store a letter with its envelope in front, as a mail server does; return its key.

        By the Maildir protocol it appears complete and on disk, or not at all.
        """
        envelope = f"Return-Path: <{sender}>\n"
        envelope += "".join(f"Delivered-To: {recipient}\n" for recipient in recipients)
        letter = envelope.encode("utf-8") + content.replace(b"\r\n", b"\n")
        with self._lock:
            return self._box.add(letter)

    def headings(self, limit: int = 500) -> list[Heading]:
        """Return the letters, the newest first."""
        with self._lock:
            newest = sorted(self._box.keys(), key=self._received, reverse=True)[:limit]
            return [self._heading(key) for key in newest]

    def raw(self, key: str) -> bytes | None:
        """Return a letter as received; None for an unknown key."""
        with self._lock:
            try:
                return self._box.get_bytes(key)
            except KeyError:
                return None

    def letter(self, key: str) -> EmailMessage | None:
        """Return a parsed letter; None for an unknown key."""
        raw = self.raw(key)
        return None if raw is None else message_from_bytes(raw, policy=policy.default)

    def texts_to(self, address: str) -> list[str]:
        """Return the subject and the text of each letter to an address, the newest first."""
        keys = [one.key for one in self.headings() if address in one.recipients.split(", ")]
        found = [letter for key in keys if (letter := self.letter(key)) is not None]
        # An encoded body keeps the line ends of the wire.
        return [
            f"{one.get('Subject', '')}\n\n{text_of(one)}".replace("\r\n", "\n") for one in found
        ]

    def _received(self, key: str) -> float:
        # A Maildir name is <second>.M<microsecond>P...
        seconds, _, rest = key.partition(".")
        microseconds = rest.partition("M")[2].partition("P")[0]
        return float(f"{seconds}.{microseconds:0>6}")

    def _heading(self, key: str) -> Heading:
        message = message_from_bytes(self._box.get_bytes(key), policy=policy.default)
        return Heading(
            key=key,
            received_at=datetime.fromtimestamp(self._received(key), UTC),
            sender=str(message.get("From", "")),
            recipients=", ".join(message.get_all("Delivered-To", [])),
            subject=str(message.get("Subject", "")),
        )


def text_of(message: EmailMessage) -> str:
    """Return the plain part of a letter, or its HTML source if it has none."""
    body = message.get_body(preferencelist=("plain", "html"))
    if body is None:
        return ""
    content = body.get_content()
    return content if isinstance(content, str) else "(no text)"
