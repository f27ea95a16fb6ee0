"""The mail catcher in a process of its own, and its faults, as a test sees them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import requests

from deploy.doubles.mailcatcher.letters import Letters
from deploy.embedded.surroundings import PLAIN_ENVIRONMENT, REPOSITORY

_TIMEOUT = 15


class MailCatcher:
    """The mail server as a test sees it: what has arrived, and what it does wrong."""

    def __init__(self, url: str, pages: str, mail: Path, bounces: Path) -> None:
        self.url = url
        self.pages = pages
        self.bounces = bounces
        self.letters = Letters(mail)

    def faults(self, **faults: Any) -> None:
        """Switch faults on or off, by name; in force when this returns."""
        answer = requests.put(f"{self.pages}/admin/faults", json=faults, timeout=_TIMEOUT)
        answer.raise_for_status()

    def clear(self) -> None:
        """Switch all faults off."""
        requests.delete(f"{self.pages}/admin/faults", timeout=_TIMEOUT).raise_for_status()

    def count(self) -> int:
        """Return how many letters are kept."""
        return sum(1 for _ in (self.letters.folder / "new").iterdir())

    def arrived(self, address: str = "") -> list[EmailMessage]:
        """Return the letters that are kept, newest first: all, or those to an address."""
        headings = self.letters.headings(limit=100_000)
        keys = [one.key for one in headings if not address or address in one.recipients.split(", ")]
        return [found for key in keys if (found := self.letters.letter(key)) is not None]


@contextmanager
def running_mail_catcher(folder: Path) -> Iterator[MailCatcher]:
    """Run a mail catcher at free ports for the length of a block."""
    mail, bounces = folder / "mail", folder / "bounces"
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.doubles.mailcatcher"],
        cwd=REPOSITORY,
        env=PLAIN_ENVIRONMENT
        | {
            "SALDO_SMTP_URL": "smtp://127.0.0.1:0",
            "SALDO_MAILBOX_URL": "http://127.0.0.1:0",
            "SALDO_MAIL_DIR": str(mail),
            "SALDO_BOUNCES_DIR": str(bounces),
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[3]
        pages = process.stdout.readline().split()[3]
        yield MailCatcher(url, pages, mail, bounces)
    finally:
        process.terminate()
        process.communicate(timeout=_TIMEOUT)
