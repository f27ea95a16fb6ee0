"""The mailbox of a person: waits for letters that the mail catcher stores, and reads them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path

from deploy.doubles.mailcatcher.letters import text_of

WAIT_SECONDS = 30.0
POLL_SECONDS = 0.05

ABOUT_CODE = ("Проверочный код", "Your registration code")
ABOUT_PASSWORD = ("Временный пароль", "Your temporary password")
"""In the subjects of these letters, in either language."""

# A letter shows what is to be typed on a line of its own, indented.
_CODE = re.compile(r"^ {4}(\d{4,12})$", re.MULTILINE)
_PASSWORD = re.compile(r"^ {4}(\S{8,})$", re.MULTILINE)


class LetterError(Exception):
    """A letter did not arrive in time, or lacks what it should hold."""


@dataclass(frozen=True)
class Letter:
    """The readable part of a letter."""

    subject: str
    text: str

    def is_about(self, subjects: tuple[str, ...]) -> bool:
        """Return whether the subject has one of these in it."""
        return any(subject in self.subject for subject in subjects)


class Mailbox:
    """The letters that arrive in the Maildir from now on, by recipient."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read = {_key(path) for path in self._paths()}
        self._letters: dict[str, list[Letter]] = {}

    def letters_to(self, address: str) -> list[Letter]:
        """Return the letters to an address so far, in the order of arrival."""
        self._look()
        return list(self._letters.get(address, ()))

    def wait(
        self,
        address: str,
        about: str | tuple[str, ...],
        saying: str = "",
        seconds: float = WAIT_SECONDS,
    ) -> Letter:
        """Return the newest letter with `about` in its subject and `saying` in its text.

        Several of them: any one. Raises LetterError when none arrives in time.
        """
        subjects = (about,) if isinstance(about, str) else about
        ends = time.monotonic() + seconds
        while True:
            for letter in reversed(self.letters_to(address)):
                if letter.is_about(subjects) and saying in letter.text:
                    return letter
            if time.monotonic() > ends:
                raise LetterError(
                    f"no letter about «{subjects[0]}» arrived in {self._folder} within "
                    f"{seconds:g} s; are the worker and the mail catcher running?"
                )
            time.sleep(POLL_SECONDS)

    def _look(self) -> None:
        found = [path for path in self._paths() if _key(path) not in self._read]
        for path in sorted(found, key=lambda path: path.stat().st_mtime_ns):
            message = message_from_bytes(path.read_bytes(), policy=policy.default)
            # An encoded body keeps the line ends of the wire.
            text = text_of(message).replace("\r\n", "\n")
            letter = Letter(str(message.get("Subject", "")), text)
            for recipient in message.get_all("Delivered-To", []):
                self._letters.setdefault(str(recipient).strip(), []).append(letter)
            self._read.add(_key(path))

    def _paths(self) -> Iterator[Path]:
        return (path for part in ("new", "cur") for path in (self._folder / part).glob("*"))


def code_in(letter: Letter) -> str:
    """Return the check code in a letter."""
    return _first(_CODE, letter, "check code")


def password_in(letter: Letter) -> str:
    """Return the temporary password in a letter."""
    return _first(_PASSWORD, letter, "temporary password")


def token_in(letter: Letter, path: str) -> str:
    """Return the token of a link to a page in a letter: of ``.../recover/<token>``."""
    return _first(re.compile(re.escape(path) + r"([\w-]{43})$", re.MULTILINE), letter, "link")


def _key(path: Path) -> str:
    # After the colon stand flags, which a mail program changes.
    return path.name.partition(":")[0]


def _first(pattern: re.Pattern[str], letter: Letter, what: str) -> str:
    match = pattern.search(letter.text)
    if match is None:
        raise LetterError(f"the letter «{letter.subject}» has no {what}")
    return match[1]
