"""A book of the ledger that moves to another database of its server, while everybody goes on.

`saldo ledger move-book` is called as an operator calls it (`docs/books.md`). While it works, it is
killed, or a process that it concerns, or PostgreSQL; then it is called again, or given up.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from deploy.embedded.books import books_in, seal_process
from deploy.embedded.surroundings import REPOSITORY
from shared.books import book_of, sealer_of
from tests.faults.books import REASON, owner_url_of
from tests.faults.faults import House, fault
from tests.faults.injectors.errors import TroubleError

GIVEN_UP = 0.25
"""How many moves are given up, if they are not complete yet when the fault ends."""
_WORKS_S = (0.5, 5.0)
"""So long the command works before something is killed."""
_COMMAND_S = 180.0
_READY_S = 120.0
_CONNECT_S = 5
_SAMPLE = 400


@dataclass
class _Move:
    """A move that was begun: to which database, and how the command is called."""

    log: str
    there: str
    """The URL of its owner."""
    environment: Mapping[str, str]
    is_given_up: bool
    has_moved: bool = False


@fault
class MoveBook:
    """A further book moves to another database; its processes get their new settings."""

    name = "move_book"
    lasts = (0.5, 8.0)
    alone = True

    def is_possible(self, house: House) -> bool:
        return bool(books_in(house.environment))

    def inject(self, house: House, random: Random) -> str:
        log = random.choice(books_in(house.environment))
        victims = ("", "move-book", "move-book", "postgres", "serve", "work", seal_process(log))
        victim, after = random.choice(victims), random.uniform(*_WORKS_S)
        is_given_up = random.random() < GIVEN_UP
        there = make_database(house, log)
        move = _Move(log, there, _environment(house, log, there), is_given_up)
        house.notes[self.name] = move
        with _command(move) as running:
            try:
                running.communicate(timeout=after)
            except subprocess.TimeoutExpired:
                if victim in house.identities():
                    house.restart(victim)
                elif victim:
                    running.kill()
                _communicate(running)
        killed = f", kill -9 {victim} after {after:.1f} s" if victim else ""
        return f"move {log} to {_name_of(there)}{killed}: exit code {running.returncode}"

    def heal(self, house: House) -> str | None:
        move: Any = house.notes.get(self.name)
        if move is None:
            return None
        if move.is_given_up and not move.has_moved and give_up(house, move):
            del house.notes[self.name]
            return f"{move.log} stays where it was"
        if not move.has_moved:
            _done(move)
            move.has_moved = True
        house.reconfigure({f"SALDO_LOGIN_URL_{move.log.upper()}": move.there}, _READY_S)
        del house.notes[self.name]
        return f"{move.log} has moved"


def make_database(house: House, log: str) -> str:
    """Make a database for a book on the server where it is; return the URL of its owner."""
    here = owner_url_of(house.environment, log)
    first = _name_of(house.environment["SALDO_DATABASE_URL"])
    with psycopg.connect(here, autocommit=True, connect_timeout=_CONNECT_S) as owner:
        there = {name for (name,) in owner.execute("SELECT datname FROM pg_database")}
        number = 1
        while (name := f"{first}_{log}_{number}") in there:
            number += 1
        owner.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return _in_database(here, name)


def give_up(house: House, move: _Move) -> bool:
    """Give a move up; return False where it is complete already."""
    with _command(move, "--back") as running:
        said = _communicate(running)
    if running.returncode == 0:
        return True
    # Only what was complete cannot be given up; anything else is tried again.
    if "has moved" not in said:
        raise TroubleError(f"--back ends with {running.returncode}: {said[-_SAMPLE:]}")
    return False


def _done(move: _Move) -> None:
    """Call the command once more, which completes what had broken off; raises TroubleError."""
    with _command(move) as running:
        said = _communicate(running)
    if running.returncode != 0:
        raise TroubleError(f"move-book ends with {running.returncode}: {said[-_SAMPLE:]}")


def _environment(house: House, log: str, there: str) -> dict[str, str]:
    """Return the environment of the operator's terminal, with where the book goes."""
    name, own = _name_of(there), log.upper()
    role = house.environment[f"SALDO_DATABASE_URL_{own}"]
    sealer = house.environment[f"SALDO_DATABASE_URL_{sealer_of(log).upper()}"]
    return {
        **os.environ,
        **house.environment,
        "SALDO_NEXT_LOGIN_URL": there,
        "SALDO_NEXT_DATABASE_URL": _in_database(role, name),
        "SALDO_NEXT_DATABASE_URL_SEALER": _in_database(sealer, name),
    }


def _command(move: _Move, *words: str) -> subprocess.Popen[str]:
    verb = ("ledger", "move-book", book_of(move.log), *words, "--reason", REASON)
    return subprocess.Popen(
        [sys.executable, "-m", "services.cli", *verb],
        cwd=REPOSITORY,
        env=move.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _communicate(running: subprocess.Popen[str]) -> str:
    """Return what a command has said once it has ended; one that does not is killed."""
    try:
        said, _ = running.communicate(timeout=_COMMAND_S)
    except subprocess.TimeoutExpired:
        running.kill()
        said, _ = running.communicate()
    return said


def _name_of(url: str) -> str:
    return urlsplit(url).path.strip("/")


def _in_database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()
