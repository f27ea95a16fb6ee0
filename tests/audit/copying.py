"""Take the advisories out of a clone of PyPA's advisory database (CC BY 4.0)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from tests.audit.advisories import AuditError

SOURCE = "PyPA advisory database (pypa/advisory-database), licensed CC BY 4.0"


def copied(clone: Path) -> str:
    """Return the copy as JSON, an advisory a line; raises AuditError for another folder."""
    commit, day = _git(clone, "log", "-1", "--format=%H %cs").split()
    files = _git(clone, "ls-tree", "-r", "--name-only", "HEAD", "vulns").splitlines()
    if not files:
        raise AuditError(f"{clone} is no clone of PyPA's advisory database: no folder vulns")
    advisories = [entry for text in _texts(clone, files) for entry in _entries(text)]
    head = {"source": SOURCE, "commit": commit, "as_of": day}
    lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in advisories)
    return json.dumps(head)[:-1] + ', "advisories": [\n' + lines + "\n]}\n"


def _git(clone: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(clone), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise AuditError(f"{clone} is no clone that git can read")
    return done.stdout


def _texts(clone: Path, files: list[str]) -> Iterator[str]:
    """Yield the content of each file, by one process."""
    done = subprocess.run(
        ["git", "-C", str(clone), "cat-file", "--batch"],
        input="".join(f"HEAD:{name}\n" for name in files).encode(),
        capture_output=True,
        check=True,
    )
    rest = done.stdout
    while rest:
        head, _, rest = rest.partition(b"\n")
        if head.endswith(b" missing"):
            raise AuditError("the clone is not whole: fetch it without a filter")
        size = int(head.rsplit(b" ", 1)[1])
        yield rest[:size].decode()
        rest = rest[size + 1 :]


def _entries(text: str) -> Iterator[dict[str, Any]]:
    data = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both safe
    if not isinstance(data, dict) or "withdrawn" in data:  # a link to another file is a text
        return
    for affected in data.get("affected", ()):
        if affected["package"]["ecosystem"] != "PyPI":
            continue
        ranges = [
            found
            for each in affected.get("ranges", ())
            if each["type"] == "ECOSYSTEM"
            for found in _ranges(each["events"])
        ]
        entry = {"id": data["id"], "package": canonicalize_name(affected["package"]["name"])}
        if aliases := data.get("aliases"):
            entry["aliases"] = aliases
        if ranges:
            entry["ranges"] = ranges
        elif versions := affected.get("versions"):
            entry["versions"] = [str(version) for version in versions]
        yield entry


def _ranges(events: list[dict[str, str]]) -> Iterator[list[str | None]]:
    """Yield [introduced, fixed, last_affected] of each range in a list of events."""
    begun: str | None = None
    for event in events:
        if "introduced" in event:
            if begun is not None:
                yield [begun, None, None]
            begun = str(event["introduced"])
        elif begun is not None and _is_version(event):
            yield [begun, event.get("fixed"), event.get("last_affected")]
            begun = None
    if begun is not None:
        yield [begun, None, None]


def _is_version(event: dict[str, str]) -> bool:
    try:
        Version(str(event.get("fixed") or event.get("last_affected") or ""))
    except InvalidVersion:
        return False
    return True
