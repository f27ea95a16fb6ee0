"""`make audit`: fail where a package of the lock has a known hole.

Two sources are asked: the copy of PyPA's advisories beside this module, which needs no network, and
the service that pip-audit asks. Where that one does not answer, a line says so loudly, and nothing
fails for it unless SALDO_AUDIT=required; SALDO_AUDIT=offline does not ask it at all.

`python -m tests.audit refresh CLONE` takes the copy anew from a clone of pypa/advisory-database.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.audit.advisories import (
    AuditError,
    Hole,
    holes,
    not_allowed,
    read_allowed,
    read_copy,
    read_lock,
)
from tests.audit.copying import copied
from tests.audit.live import NoAnswerError, ask

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COPY = HERE / "advisories.json"
ALLOWED = HERE / "allowed.toml"
TOOL_LOCK = HERE / "requirements.lock"
LOCK = ROOT / "requirements.lock"
FOLDER = ROOT / ".saldo" / "audit"


def main(arguments: Sequence[str]) -> int:
    """Return the exit code: 0 nothing found, 1 a hole, 2 a file that cannot be used."""
    try:
        if arguments[:1] == ["refresh"] and len(arguments) == 2:
            COPY.write_text(copied(Path(arguments[1])), encoding="utf-8")
            return 0
        if arguments:
            raise AuditError("usage: python -m tests.audit [refresh CLONE]")
        return audit(LOCK, os.environ.get("SALDO_AUDIT", ""))
    except AuditError as error:
        print(f"audit: {error}", file=sys.stderr)
        return 2


def audit(lock: Path, mode: str) -> int:
    """Compare a lock with both sources; return the exit code."""
    if mode not in ("", "required", "offline"):
        raise AuditError("SALDO_AUDIT is required, offline, or nothing")
    now = datetime.now(UTC).date()
    pinned, copy = read_lock(lock), read_copy(COPY)
    allowed = read_allowed(ALLOWED, now)
    found: set[Hole] = set(holes(pinned, copy))
    silent = "it was not asked"
    if mode != "offline":
        FOLDER.mkdir(parents=True, exist_ok=True)
        try:
            found |= set(ask(lock, TOOL_LOCK, FOLDER))
            silent = ""
        except NoAnswerError as error:
            silent = str(error)
    open_holes = not_allowed(found, allowed)
    for hole in sorted(map(str, open_holes)):
        print(f"audit: KNOWN HOLE in {hole}: update it, or see tests/audit/allowed.toml")
    if silent:
        print(
            f"audit: !!! THE SERVICE OF ADVISORIES DID NOT ANSWER ({silent}): {len(pinned)} "
            f"packages were compared with the copy of {copy.as_of} alone, which is "
            f"{(now - copy.as_of).days} days old !!!",
            file=sys.stderr,
        )
    elif not open_holes:
        print(f"audit: no known hole in {len(pinned)} packages")
    return 1 if open_holes or (silent and mode == "required") else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
