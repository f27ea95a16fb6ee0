"""Passwords known from breaches: an operator's own copy of the ranges of Pwned Passwords.

The folder is what its downloader writes: one file for each prefix of five hexadecimal digits of a
SHA-1 (``0018A.txt``, or ``0018A``), with lines ``SUFFIX:COUNT``. Nobody outside is asked.
"""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path

from shared.cooperation import outside_event_loop
from shared.errors import Unavailable, ValidationFailed
from shared.logs import get_logger

log = get_logger(__name__)

_PREFIX = 5


def check_not_breached(folder: str, password: str) -> None:
    """Raise ValidationFailed ``password_too_common`` for a password that a breach has shown.

    Without a folder nothing is looked up. One that cannot be read raises Unavailable: a set that is
    not there would let everything pass.
    """
    if not folder:
        return
    digests = {_sha1(form) for form in (password, unicodedata.normalize("NFKC", password))}
    try:
        breached = outside_event_loop(lambda: any(_is_listed(Path(folder), d) for d in digests))
    except OSError as error:
        log.error("breached_passwords_unreadable", error=type(error).__name__)  # noqa: TRY400
        raise Unavailable(
            "service_unavailable", "Passwords cannot be checked at the moment; try again later."
        ) from error
    if breached:
        raise ValidationFailed(
            "password_too_common", "This password is known from a breach; choose another."
        )


def _sha1(password: str) -> str:
    # The format of the set; nothing is protected by it.
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


def _is_listed(folder: Path, digest: str) -> bool:
    """Return whether a digest is in its range; raises OSError without that file."""
    prefix, suffix = digest[:_PREFIX], digest[_PREFIX:]
    path = folder / f"{prefix}.txt"
    lines = (path if path.is_file() else folder / prefix).read_text("ascii", "replace").splitlines()
    # A count of 0 is padding, which a range may have.
    return any(
        known.strip().upper() == suffix and count.strip() != "0"
        for known, _, count in (line.partition(":") for line in lines)
    )
