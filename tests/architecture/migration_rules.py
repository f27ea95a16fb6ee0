"""What a migration may do to tables that are in use: the rules of docs/upgrading.md.

ALTER TABLE takes a table from everybody, if only for an instant. So nothing may read or write a
whole table while it is held, and whoever holds one waits for no other. A table that the file itself
creates is in nobody's use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from shared.eventstore.migration_steps import Kind, Step, split

_NAME = r'(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?:ONLY\s+)?"?(\w+)"?'
_CREATED = re.compile(rf"CREATE\s+(?:UNLOGGED\s+)?TABLE\s+{_NAME}", re.IGNORECASE)
_ALTERED = re.compile(rf"ALTER\s+TABLE\s+{_NAME}\s+(.*)", re.IGNORECASE | re.DOTALL)
_INDEXED = re.compile(rf"CREATE\s+(?:UNIQUE\s+)?INDEX\s+.*?\bON\s+{_NAME}", re.I | re.DOTALL)
_LOCKED = re.compile(
    rf"(?:DROP\s+TABLE\s+{_NAME}|TRUNCATE\s+(?:TABLE\s+)?{_NAME}|LOCK\s+(?:TABLE\s+)?{_NAME}"
    rf"|(?:CREATE|DROP)\s+(?:CONSTRAINT\s+)?TRIGGER\s+.*?\bON\s+{_NAME})",
    re.IGNORECASE | re.DOTALL,
)
_ROWS = re.compile(rf"(?:UPDATE|DELETE\s+FROM|INSERT\s+INTO)\s+{_NAME}", re.IGNORECASE)
_HIDDEN = re.compile(
    r"DO\b.*\b(ALTER\s+TABLE|CREATE\s+(UNIQUE\s+)?INDEX|UPDATE\s+\w+\s+SET|DELETE\s+FROM)\b",
    re.IGNORECASE | re.DOTALL,
)
_CONSTANT = re.compile(
    r"DEFAULT\s+(?:''|[-+]?[0-9.]+|true|false|null|now\(\)|current_(?:date|timestamp)"
    r"|'[^']*')(?:::\w+)?(?=\s|$)",
    re.IGNORECASE,
)
_NOT_NULL_CHECK = re.compile(
    r"ADD\s+CONSTRAINT\s+(\w+)\s+CHECK\s*\(\s*(\w+)\s+IS\s+NOT\s+NULL\s*\)\s+NOT\s+VALID", re.I
)
_VALIDATED = re.compile(r"VALIDATE\s+CONSTRAINT\s+(\w+)", re.IGNORECASE)

# Of each action of ALTER TABLE: a pattern, what is wrong with it, and the kinds that may do it.
_ANY: tuple[Kind, ...] = ()
_ACTIONS: Sequence[tuple[str, str, tuple[Kind, ...]]] = (
    (r"ALTER\s+(COLUMN\s+)?\w+\s+(SET\s+DATA\s+)?TYPE\b",
     "a change of type rewrites the table: add a column, fill it, drop the old one", _ANY),
    (r"ADD\s+(COLUMN\s+)?.*\b(GENERATED\s+ALWAYS\s+AS\s*\(|GENERATED\b.*\bIDENTITY|\w*SERIAL\b)",
     "a column that is computed for each row rewrites the table", _ANY),
    (r"ADD\s+(COLUMN\s+)?(?!CONSTRAINT)\w+\s.*\b(CHECK\s*\(|REFERENCES\b|UNIQUE\b|PRIMARY\s+KEY)",
     "a constraint of a new column reads the table: add it apart, NOT VALID", _ANY),
    (r"ADD\s+(CONSTRAINT\s+\w+\s+)?(CHECK|FOREIGN\s+KEY)\b(?!.*\bNOT\s+VALID\b)",
     "a constraint reads the whole table: add it NOT VALID, and validate it in a concurrent step",
     _ANY),
    (r"ADD\s+(CONSTRAINT\s+\w+\s+)?(UNIQUE|PRIMARY\s+KEY)\b(?!\s+USING\s+INDEX)",
     "it builds its index meanwhile: build a unique index in a concurrent step, add it USING INDEX",
     _ANY),
    (r"ADD\s+(CONSTRAINT\s+\w+\s+)?EXCLUDE\b",
     "it builds its index meanwhile, and there is no other way", _ANY),
    (r"VALIDATE\s+CONSTRAINT\b", "it reads the whole table: a concurrent step does that", _ANY),
    (r"(CLUSTER\s+ON|SET\s+(LOGGED|UNLOGGED|TABLESPACE|ACCESS\s+METHOD))\b",
     "it rewrites the table", _ANY),
    (r"DROP\s+(COLUMN\s+)?(?!CONSTRAINT\b)(IF\s+EXISTS\s+)?\w+",
     "older versions use the column: a contract step drops it", (Kind.CONTRACT,)),
    (r"RENAME\b", "older versions use the name: add another, and drop this one later", _ANY),
    (r"ALTER\s+(COLUMN\s+)?\w+\s+DROP\s+DEFAULT\b",
     "older versions leave the column out: a contract step drops its default", (Kind.CONTRACT,)),
)  # fmt: skip
_STATEMENTS: Sequence[tuple[str, str, tuple[Kind, ...]]] = (
    (r"(UPDATE|DELETE)\b", "rows are changed by a backfill, in batches", _ANY),
    (r"INSERT\b.*\bSELECT\b.*\bFROM\b", "rows are copied by a backfill, in batches", _ANY),
    (r"WITH\b.*\b(UPDATE|DELETE|INSERT)\b", "rows are changed by a backfill, in batches", _ANY),
    (r"(VACUUM|CLUSTER|REINDEX|REFRESH\s+MATERIALIZED)\b", "it locks whole tables for long", _ANY),
    (r"(TRUNCATE|LOCK)\b", "it takes a table from everybody", _ANY),
    (r"DROP\s+TABLE\b", "older versions use the table: a contract step drops it",
     (Kind.CONTRACT,)),
    (r"(CREATE|DROP)\s+.*\bCONCURRENTLY\b", "it cannot run in a transaction: a concurrent step",
     _ANY),
    (r"DROP\s+INDEX\b", "it takes the table from everybody: DROP INDEX CONCURRENTLY", _ANY),
)  # fmt: skip


def findings(step: Step, earlier: Sequence[Step]) -> list[str]:
    """Return what a step does that keeps others from tables in use, and what to do instead."""
    if step.kind is Kind.WHOLE:
        return ["say its kind at its top, as in -- migrate: expand"]
    if step.kind in (Kind.CONCURRENT, Kind.BACKFILL):
        return []  # their statements are checked when the file is read
    statements = [" ".join(one.split()) for one in split(step.text, quoted=False)]
    made = {match[1].lower() for one in statements if (match := _CREATED.match(one))}
    found = list[str]()
    touched = set[str]()
    for statement in statements:
        locked = set(_locked(statement)) - made
        touched |= locked
        if locked or not set(_written(statement)) <= made:
            found += _wrong(statement, step.kind, _STATEMENTS)
        if locked and _INDEXED.match(statement) and "CONCURRENTLY" not in statement.upper():
            found.append("an index is built in a concurrent step, or nobody can write meanwhile")
        altered = _ALTERED.match(statement)
        if altered and locked:
            for action in _actions(altered[2]):
                found += _wrong(action, step.kind, _ACTIONS)
                found += _of_not_null(action, earlier)
    if any(_HIDDEN.match(one) for one in split(step.text)):
        found.append("a DO block hides what it does to tables from this check: write it out")
    if len(touched) > 1:
        found.append(
            f"it would hold {', '.join(sorted(touched))} at once: a file locks one table in use"
        )
    return found


def _locked(statement: str) -> Iterator[str]:
    """Yield the tables that a statement takes from others, or keeps them from writing."""
    for pattern in (_ALTERED, _INDEXED, _LOCKED):
        if match := pattern.match(statement):
            names = match.groups()[:1] if pattern is _ALTERED else match.groups()
            yield from (name.lower() for name in names if name)
            return


def _written(statement: str) -> Iterator[str]:
    """Yield the tables whose rows a statement may change; of an unclear one a name of no table."""
    if match := _ROWS.match(statement):
        yield match[1].lower()
    elif re.match(r"(WITH|VACUUM|CLUSTER|REINDEX|REFRESH|DROP\s+INDEX)\b", statement, re.I):
        yield "(a table)"


def _actions(text: str) -> Iterator[str]:
    """Yield the actions of an ALTER TABLE: at its commas that are in no parentheses."""
    depth, begin = 0, 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            yield text[begin:place].strip()
            begin = place + 1
    yield text[begin:].strip()


def _wrong(
    text: str, kind: Kind, rules: Sequence[tuple[str, str, tuple[Kind, ...]]]
) -> Iterator[str]:
    for pattern, why, allowed in rules:
        if kind not in allowed and re.match(pattern, text, re.IGNORECASE):
            yield f"{text[:60]}: {why}"


def _of_not_null(action: str, earlier: Sequence[Step]) -> Iterator[str]:
    """Yield what is wrong with NOT NULL and DEFAULT in an action."""
    if match := re.match(r"ALTER\s+(?:COLUMN\s+)?(\w+)\s+SET\s+NOT\s+NULL\b", action, re.I):
        checks = {
            name: column.lower()
            for step in earlier
            for name, column in _NOT_NULL_CHECK.findall(step.text)
        }
        validated = {name for step in earlier for name in _VALIDATED.findall(step.text)}
        if match[1].lower() not in {checks[name] for name in checks if name in validated}:
            yield (
                f"{action[:60]}: it reads the whole table: first CHECK ({match[1]} IS NOT NULL) "
                "NOT VALID, and its VALIDATE CONSTRAINT in a concurrent step"
            )
        return
    if not re.match(r"ADD\s+(COLUMN\s+)?(?!CONSTRAINT\b|CHECK\b|FOREIGN\b|UNIQUE\b|PRIMARY\b)\w+\s",
                    action, re.I):  # fmt: skip
        return
    default = re.search(r"\bDEFAULT\b", action, re.IGNORECASE)
    if default and not _CONSTANT.match(action, default.start()):
        yield f"{action[:60]}: a default that is computed for each row rewrites the table"
    if not default and re.search(r"\bNOT\s+NULL\b", action, re.IGNORECASE):
        yield f"{action[:60]}: rows that are there, and older versions, have no value: a DEFAULT"
