"""Databases for tests: copies of a migrated template, emptied and used again.

Copying a database makes some thirteen hundred files, which took longer than most tests. What a test
has left is taken out of its copy instead: tables that have anything are truncated, rows that the
migrations made are put back, sequences begin anew. A copy whose definitions or settings a test has
changed is not used again; tables that it has added, and nothing else of the kind, are dropped.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import psycopg
from psycopg import sql

Table = tuple[str, str]
"""Schema and name."""

_OURS = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
_WITH_ROWS = f"""
SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND {_OURS} AND pg_relation_size(c.oid) > 0 ORDER BY 1, 2
"""
_TABLES = f"""
SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND {_OURS}
"""
_REFERRING = f"""
SELECT n.nspname, c.relname, m.nspname, r.relname
  FROM pg_constraint AS k
  JOIN pg_class AS c ON c.oid = k.confrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_class AS r ON r.oid = k.conrelid JOIN pg_namespace AS m ON m.oid = r.relnamespace
 WHERE k.contype = 'f' AND {_OURS}
"""
_WITH_TRIGGERS = f"""
SELECT DISTINCT n.nspname, c.relname FROM pg_trigger AS t
  JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE NOT t.tgisinternal AND {_OURS}
"""
_SEQUENCES = "SELECT schemaname, sequencename, last_value, start_value FROM pg_sequences"
_DEFINED = f"""
WITH ours AS (
    SELECT c.* FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE {_OURS}
), facts AS (
    SELECT format('%s %s %s %s %s %s %s', oid, relnamespace, relname, relowner, relacl,
                  relrowsecurity, reloptions) AS fact FROM ours
    UNION ALL SELECT format('%s %s %s %s %s %s', attrelid, attnum, attname, atttypid, attnotnull,
                            attacl) FROM pg_attribute JOIN ours ON ours.oid = attrelid
    UNION ALL SELECT format('%s %s', t.oid, tgenabled)
                FROM pg_trigger AS t JOIN ours ON ours.oid = tgrelid
    UNION ALL SELECT format('%s %s', d.oid, pg_get_expr(adbin, adrelid))
                FROM pg_attrdef AS d JOIN ours ON ours.oid = adrelid
    UNION ALL SELECT format('%s %s', k.oid, convalidated)
                FROM pg_constraint AS k JOIN ours ON ours.oid = conrelid
    UNION ALL SELECT format('%s %s %s %s', p.oid, proacl, proowner, md5(prosrc))
                FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE {_OURS}
    UNION ALL SELECT format('%s %s %s %s', n.oid, nspname, nspowner, nspacl)
                FROM pg_namespace AS n WHERE {_OURS} OR nspname = 'public'
    UNION ALL SELECT format('%s %s', setrole, setconfig) FROM pg_db_role_setting
               WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
    UNION ALL SELECT format('%s %s', extname, extversion) FROM pg_extension
    UNION ALL SELECT format('%s %s', defaclrole, defaclacl) FROM pg_default_acl
)
SELECT md5(string_agg(fact, '|' ORDER BY fact)) FROM facts
"""
_END_OTHERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND backend_type = 'client backend'
"""
"""Only a superuser may end an autovacuum worker, which ends by itself when it is in the way."""
_OTHERS = """
SELECT pid FROM pg_stat_activity WHERE datname = current_database()
   AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
"""Who connects anew, or cannot be ended, would write into the database of the next test."""


class Kept(NamedTuple):
    """What the migrations have left: tables, their rows, sequences, definitions."""

    tables: frozenset[Table]
    rows: Mapping[Table, bytes]
    sums: Mapping[Table, str | None]
    sequences: Mapping[Table, int | None]
    defined: str
    referring: Mapping[Table, frozenset[Table]]
    with_triggers: frozenset[Table]

    def with_referring(self, tables: Iterable[Table]) -> list[Table]:
        """Return tables with all that refer to them: they can only be emptied together."""
        found, waiting = set[Table](), list(tables)
        while waiting:
            table = waiting.pop()
            if table not in found:
                found.add(table)
                waiting += self.referring.get(table, ())
        return sorted(found)


class Databases:
    """The copies of a template, of one worker; `owner` is connected to another database."""

    def __init__(self, owner: psycopg.Connection[Any], template: str, template_url: str) -> None:
        self._owner = owner
        self._template = template
        with psycopg.connect(template_url, autocommit=True) as connection:
            self._kept = kept_of(connection)
        self._clean: list[str] = []

    def take(self) -> str:
        """Return the name of a database that is as the template."""
        if self._clean:
            return self._clean.pop()
        name = f"saldo_test_{secrets.token_hex(6)}"
        self._owner.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(self._template)
            )
        )
        return name

    def give_back(self, name: str, url: str) -> None:
        """Empty a database for the next test, or drop it where that is not enough."""
        try:
            with psycopg.connect(url, autocommit=True, options="-c lock_timeout=10s") as connection:
                is_clean = _emptied(connection, self._kept)
        except psycopg.Error:  # a test may leave it in any state
            is_clean = False
        if is_clean:
            self._clean.append(name)
        else:
            self._drop(name)

    def close(self) -> None:
        """Drop the databases that wait for a test."""
        while self._clean:
            self._drop(self._clean.pop())

    def _drop(self, name: str) -> None:
        self._owner.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def kept_of(connection: psycopg.Connection[Any]) -> Kept:
    """Return what there is in a database."""
    tables = _with_rows(connection)
    referring: dict[Table, set[Table]] = {}
    for row in connection.execute(_REFERRING):
        referring.setdefault((row[0], row[1]), set()).add((row[2], row[3]))
    return Kept(
        tables=frozenset(_tables(connection)),
        rows={table: _copied(connection, table) for table in tables},
        sums=_sums(connection, tables),
        sequences={(row[0], row[1]): row[2] for row in connection.execute(_SEQUENCES)},
        defined=_defined(connection),
        referring={table: frozenset(others) for table, others in referring.items()},
        with_triggers=frozenset((row[0], row[1]) for row in connection.execute(_WITH_TRIGGERS)),
    )


def _emptied(connection: psycopg.Connection[Any], kept: Kept) -> bool:
    """Take out what a test has left; return False where that is more than rows."""
    connection.execute(_END_OTHERS)
    if connection.execute(_OTHERS).fetchall():
        return False
    for table in set(_tables(connection)) - kept.tables:
        # Without CASCADE: what of ours depends on it has been changed, and is not used again.
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(*table)))
    if _defined(connection) != kept.defined:
        return False
    seeded = list(kept.rows)
    with connection.transaction():
        changed = [table for table in _with_rows(connection) if table not in kept.rows]
        sums = _sums(connection, seeded)
        changed += [table for table in seeded if sums[table] != kept.sums[table]]
        emptied = kept.with_referring(changed)
        guarded = [table for table in emptied if table in kept.with_triggers]
        _set_triggers(connection, guarded, "DISABLE")  # those of logs refuse a TRUNCATE
        if emptied:
            _truncate(connection, emptied)
        for table in emptied:
            if table in kept.rows:
                _put_back(connection, table, kept.rows[table])
        _set_triggers(connection, guarded, "ENABLE")
        for schema, name, last, start in connection.execute(_SEQUENCES).fetchall():
            before = kept.sequences[schema, name]
            if last != before:
                connection.execute(
                    "SELECT setval(format('%%I.%%I', %s::text, %s::text)::regclass, %s, %s)",
                    (schema, name, start if before is None else before, before is not None),
                )
    return True


def _tables(connection: psycopg.Connection[Any]) -> list[Table]:
    return [(row[0], row[1]) for row in connection.execute(_TABLES)]


def _with_rows(connection: psycopg.Connection[Any]) -> list[Table]:
    return [(row[0], row[1]) for row in connection.execute(_WITH_ROWS)]


def _defined(connection: psycopg.Connection[Any]) -> str:
    [row] = connection.execute(_DEFINED).fetchall()
    return str(row[0])


def _sums(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> dict[Table, str | None]:
    """Return a digest of the rows of each table."""
    if not tables:
        return {}
    each = [
        sql.SQL(
            "SELECT {}, {}, (SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t)"
        ).format(sql.Literal(schema), sql.Literal(name), sql.Identifier(schema, name))
        for schema, name in tables
    ]
    rows = connection.execute(sql.SQL(" UNION ALL ").join(each)).fetchall()
    return {(row[0], row[1]): row[2] for row in rows}


def _truncate(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> None:
    names = sql.SQL(", ").join(sql.Identifier(*table) for table in tables)
    connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(names))


def _set_triggers(
    connection: psycopg.Connection[Any],
    tables: Sequence[Table],
    action: Literal["DISABLE", "ENABLE"],
) -> None:
    for table in tables:
        connection.execute(
            sql.SQL("ALTER TABLE {} {} TRIGGER USER").format(
                sql.Identifier(*table), sql.SQL(action)
            )
        )


def _copied(connection: psycopg.Connection[Any], table: Table) -> bytes:
    statement = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(*table))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        return b"".join(bytes(part) for part in copy)


def _put_back(connection: psycopg.Connection[Any], table: Table, rows: bytes) -> None:
    statement = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(*table))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(rows)
