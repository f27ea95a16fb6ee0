"""Backups of an installation's databases, and restoring them.

The data and the keys of persons lie in two databases, and each goes into a folder of its own: who
has one of the backups reads nobody's name. A book of the ledger that has a database of its own has
a folder, too. All are dumped while everything runs. What was recorded
since a backup is not in it; the bus and the bank know of it, and ``saldo SERVICE recover`` goes on
from there.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from deploy.embedded.books import books_in
from deploy.embedded.postgres_binaries import PostgresError, binaries
from shared.books import SPLIT

DATA, KEYS = "data", "keys"
_URLS = {DATA: "SALDO_DATABASE_URL", KEYS: "SALDO_KEYS_DATABASE_URL"}
_FILE = "database.dump"


def back_up(environment: Mapping[str, str], folder: Path) -> list[Path]:
    """Dump the databases of an installation into ``data/``, ``keys/`` and others of a folder.

    Returns the files. Raises PostgresError, and FileExistsError rather than replace a backup.
    """
    made = []
    for name, url in _databases(environment).items():
        target = folder / name / _FILE
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if target.exists():
            raise FileExistsError(f"{target} is there already")
        draft = target.with_suffix(".draft")
        _run("pg_dump", url, "--format=custom", f"--file={draft}")
        draft.chmod(0o600)
        draft.rename(target)
        made.append(target)
    return made


def restore(environment: Mapping[str, str], folder: Path) -> list[str]:
    """Put the databases of a backup in the place of those that there are; return their names.

    A folder may have some of them. No service may run. Raises PostgresError, and
    FileNotFoundError where the folder has no backup.
    """
    found = {
        name: url
        for name, url in _databases(environment).items()
        if (folder / name / _FILE).is_file()
    }
    if not found:
        raise FileNotFoundError(f"{folder} has neither {DATA}/{_FILE} nor {KEYS}/{_FILE}")
    for name, url in found.items():
        database = urlsplit(url).path.lstrip("/")
        beside = urlunsplit(urlsplit(url)._replace(path="/postgres"))
        with psycopg.connect(beside, autocommit=True, connect_timeout=3) as owner:
            owner.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
            )
        _run("pg_restore", beside, "--create", "--exit-on-error", str(folder / name / _FILE))
    return list(found)


def _databases(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the URLs of the databases: one, where keys and data, or several books, share it."""
    urls = {name: environment[setting] for name, setting in _URLS.items()}
    for log in (SPLIT, *books_in(environment)):
        if url := environment.get(f"SALDO_LOGIN_URL_{log.upper()}"):
            urls[log] = url
    found: dict[str, str] = {}
    for name, url in urls.items():
        if _place(url) not in map(_place, found.values()):
            found[name] = url
    return found


def _place(url: str) -> tuple[str | None, int | None, str]:
    parts = urlsplit(url)
    return parts.hostname, parts.port, parts.path


def _run(program: str, url: str, *arguments: str) -> None:
    """Run a program of PostgreSQL; the password does not stand among its arguments."""
    parts = urlsplit(url)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@")))
    done = subprocess.run(
        [str(binaries() / program), f"--dbname={bare}", *arguments],
        env={**os.environ, "PGPASSWORD": parts.password or ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PostgresError(f"{program} failed:\n{done.stderr.strip()}")
