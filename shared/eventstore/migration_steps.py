"""Migration files: what kind of step each is, and the statements in it.

A file says its kind in a comment at its top, ``-- migrate: KIND [option=value...]``:

- ``expand``: one short transaction that adds what the running version need not know.
- ``concurrent``: statements that let everybody work meanwhile, and take as long as they need. Each
  runs alone, outside a transaction: PostgreSQL demands that of CREATE INDEX CONCURRENTLY.
- ``backfill``: one statement that is run again and again, a batch of rows in a transaction each.
- ``contract``: one short transaction that takes away what older versions still use.

With ``level=N``, which a contract step always has, a step waits until the new version is rolled
out: until every process has that level (`shared.database.LEVEL`).

A file without the comment is of the time before there were kinds: one transaction, as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple


class MigrationError(Exception):
    """A migration is invalid, was changed after it was applied, or cannot be applied now."""


class SchemaMovedError(MigrationError):
    """The schema has moved to another database: what is here of it is not for a migrator."""


class Kind(StrEnum):
    """What a step does to those who work meanwhile."""

    WHOLE = "whole"
    EXPAND = "expand"
    CONCURRENT = "concurrent"
    BACKFILL = "backfill"
    CONTRACT = "contract"


_OPTIONS: Mapping[Kind, frozenset[str]] = {
    Kind.WHOLE: frozenset(),
    Kind.EXPAND: frozenset(),
    Kind.CONCURRENT: frozenset({"level"}),
    Kind.BACKFILL: frozenset({"batch", "pause", "level"}),
    Kind.CONTRACT: frozenset({"level"}),
}
BATCH, PAUSE_S = 500, 0.05
"""Of a backfill that says neither: rows in a transaction, and the least pause after each."""


class Step(NamedTuple):
    """A migration file: its name, its whole text, its kind and its options."""

    name: str
    text: str
    kind: Kind
    options: Mapping[str, str] = {}

    @property
    def statements(self) -> list[str]:
        """The statements of the file, without comments before them."""
        return list(split(self.text))

    @property
    def level(self) -> int:
        """The level that all processes must have before the step; 0: it runs before a roll-out."""
        return int(self.options.get("level", 0))

    @property
    def batch(self) -> int:
        """The rows in a transaction of a backfill."""
        return int(self.options.get("batch", BATCH))

    @property
    def pause_s(self) -> float:
        """The least pause after each batch of a backfill, in seconds."""
        return float(self.options.get("pause", PAUSE_S))


_HEADER = re.compile(r"^--[ \t]*migrate:[ \t]*(.*)$")
_NUMBER = re.compile(r"[0-9]+([.][0-9]+)?")
_APART = re.compile(
    r"""
      CREATE\s+(UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(IF\s+NOT\s+EXISTS\s+)?(?P<index>\w+)\s+ON\s
    | DROP\s+INDEX\s+CONCURRENTLY\s+IF\s+EXISTS\s+\w+$
    | ALTER\s+TABLE\s+\w+\s+VALIDATE\s+CONSTRAINT\s+\w+$
    """,
    re.VERBOSE | re.IGNORECASE,
)
_AFTER, _LIMIT = (re.compile(rf"(?<![:\w]):{name}\b") for name in ("after", "limit"))


def step_of(name: str, text: str) -> Step:
    """Return the step of a file; raises MigrationError for a kind or an option that is none."""
    found = [match[1] for line in _comments_at_top(text) if (match := _HEADER.match(line))]
    if not found:
        return Step(name, text, Kind.WHOLE)
    if len(found) > 1:
        raise MigrationError(f"{name}: it says its kind twice")
    word, *rest = found[0].split() or [""]
    if word not in set(Kind) - {Kind.WHOLE}:
        kinds = ", ".join(kind for kind in Kind if kind is not Kind.WHOLE)
        raise MigrationError(f"{name}: {word!r} is no kind of migration; the kinds are {kinds}")
    kind = Kind(word)
    options = dict(_option(name, kind, one) for one in rest)
    step = Step(name, text, kind, options)
    if kind is Kind.CONTRACT and not step.level:
        raise MigrationError(f"{name}: a contract step names its level, as in `contract level=1`")
    if kind is Kind.BACKFILL and (
        len(step.statements) != 1 or not (_AFTER.search(text) and _LIMIT.search(text))
    ):
        raise MigrationError(f"{name}: a backfill is one statement, with :after and :limit")
    if kind is Kind.CONCURRENT and not all(map(_APART.match, step.statements)):
        raise MigrationError(
            f"{name}: a concurrent step has CREATE INDEX CONCURRENTLY with a name, DROP INDEX "
            "CONCURRENTLY IF EXISTS, and ALTER TABLE ... VALIDATE CONSTRAINT: each may be repeated"
        )
    return step


def index_made_by(statement: str) -> str | None:
    """Return the name of the index that a statement of a concurrent step makes."""
    match = _APART.match(statement)
    return match["index"] if match else None


def _option(name: str, kind: Kind, text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    if key not in _OPTIONS[kind] or not _NUMBER.fullmatch(value):
        raise MigrationError(f"{name}: {text!r} is no option of a migration of kind {kind}")
    return key, value


def _comments_at_top(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.strip() and not line.startswith("--"):
            return
        yield line


def with_parameters(statement: str) -> str:
    """Return the statement of a backfill with psycopg's placeholders for its point and limit."""
    escaped = statement.replace("%", "%%")
    return _LIMIT.sub("%(limit)s::bigint", _AFTER.sub("%(after)s::text", escaped))


_TOKEN = re.compile(
    r"""
      (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?P<quoted> '(?:[^']|'')*' | "(?:[^"]|"")*" | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
    | (?P<end> ; )
    | (?P<other> [^-/'"$;]+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)


def split(text: str, *, quoted: bool = True) -> Iterator[str]:
    """Yield the statements of an SQL text without comments.

    Without ``quoted`` the content of quoted texts is left out: for whoever looks for keywords.
    """
    parts = list[str]()
    for token in _TOKEN.finditer(text):
        if token["comment"] is not None:
            parts.append(" ")
        elif token["end"] is not None:
            if statement := "".join(parts).strip():
                yield statement
            parts.clear()
        elif token["quoted"] is not None and not quoted and not token[0].startswith('"'):
            parts.append("''")
        else:
            parts.append(token[0])
    if statement := "".join(parts).strip():
        yield statement
