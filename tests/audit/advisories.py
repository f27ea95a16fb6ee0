"""Advisories of known holes, the packages of a lock, and what has been allowed for a time."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)


class AuditError(Exception):
    """Raised for a file that cannot be used; the text says what to do."""


@dataclass(frozen=True)
class Range:
    """Versions from ``introduced`` on, before ``fixed`` or up to ``last_affected``."""

    introduced: str
    fixed: str | None = None
    last_affected: str | None = None

    def holds(self, version: Version) -> bool:
        """Return whether a version is within."""
        if self.introduced != "0" and version < Version(self.introduced):
            return False
        if self.fixed is not None:
            return version < Version(self.fixed)
        return self.last_affected is None or version <= Version(self.last_affected)


@dataclass(frozen=True)
class Advisory:
    """A known hole of a package; ``versions`` are named where there are no ranges."""

    id: str
    package: str
    aliases: tuple[str, ...]
    ranges: tuple[Range, ...]
    versions: frozenset[str] = frozenset()

    def affects(self, version: str) -> bool:
        """Return whether a version has the hole."""
        parsed = Version(version)
        return version in self.versions or any(one.holds(parsed) for one in self.ranges)

    @property
    def names(self) -> frozenset[str]:
        """All ids of the hole."""
        return frozenset((self.id, *self.aliases))


@dataclass(frozen=True)
class Copy:
    """The advisories that are checked in: as of a day, by package."""

    as_of: date
    by_package: Mapping[str, tuple[Advisory, ...]]


@dataclass(frozen=True)
class Hole:
    """A package of the lock with a known hole."""

    package: str
    version: str
    names: frozenset[str]

    def __str__(self) -> str:
        return f"{self.package} {self.version}: {', '.join(sorted(self.names))}"


@dataclass(frozen=True)
class Allowed:
    """A hole that was looked at: why it does no harm here, and until when that is believed."""

    id: str
    package: str
    reason: str
    until: date


def read_copy(path: Path) -> Copy:
    """Return the checked-in advisories."""
    data = json.loads(path.read_text(encoding="utf-8"))
    found: dict[str, list[Advisory]] = {}
    for entry in data["advisories"]:
        advisory = _advisory(entry)
        found.setdefault(advisory.package, []).append(advisory)
    return Copy(
        as_of=date.fromisoformat(data["as_of"]),
        by_package={package: tuple(each) for package, each in found.items()},
    )


def _advisory(entry: Mapping[str, Any]) -> Advisory:
    return Advisory(
        id=entry["id"],
        package=entry["package"],
        aliases=tuple(entry.get("aliases", ())),
        ranges=tuple(Range(*each) for each in entry.get("ranges", ())),
        versions=frozenset(entry.get("versions", ())),
    )


def read_lock(path: Path) -> dict[str, str]:
    """Return the version of each package of a lock file."""
    pinned = _PINNED.findall(path.read_text(encoding="utf-8"))
    if not pinned:
        raise AuditError(f"{path}: no package is pinned in it")
    return {canonicalize_name(name): version for name, version in pinned}


def read_allowed(path: Path, today: date) -> tuple[Allowed, ...]:
    """Return what has been allowed; raises AuditError where a reason is missing or time is up."""
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("allowed", [])
    allowed = tuple(_allowed(path, entry) for entry in entries)
    over = [one.id for one in allowed if one.until < today]
    if over:
        raise AuditError(f"{path}: time is up for {', '.join(over)}: update, or look again")
    return allowed


def _allowed(path: Path, entry: Mapping[str, Any]) -> Allowed:
    if set(entry) != {"id", "package", "reason", "until"}:
        raise AuditError(f"{path}: an entry has id, package, reason and until, and nothing else")
    if not isinstance(entry["until"], date) or not str(entry["reason"]).strip():
        raise AuditError(f"{path}: {entry['id']} needs a reason, and a day as until = 2027-01-31")
    return Allowed(
        entry["id"], canonicalize_name(entry["package"]), entry["reason"], entry["until"]
    )


def holes(lock: Mapping[str, str], copy: Copy) -> Iterator[Hole]:
    """Yield the packages of a lock with a hole that the copy knows."""
    for package, version in lock.items():
        for advisory in copy.by_package.get(package, ()):
            if advisory.affects(version):
                yield Hole(package, version, advisory.names)


def not_allowed(found: Iterable[Hole], allowed: Iterable[Allowed]) -> list[Hole]:
    """Return the holes that nobody has allowed."""
    known = {(one.package, one.id) for one in allowed}
    return [hole for hole in found if not any((hole.package, name) in known for name in hole.names)]
