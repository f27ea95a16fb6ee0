"""Giving numbers to a book of the ledger: which accounts it will open from now on.

A number belongs to one book, and its account is opened there alone, whatever breaks off when. So
the numbers are given while nobody has an account of them, in steps of which each is committed:

1. The book that gets them learns so, but opens none of them yet: what would, waits.
2. The book that had them until now has read all contracts that were registered before that. If it
   has an account of them, they stay where they are. Else it gives them up.
3. All other books, and so all callers, learn of it.
4. The book that gets them opens them.

The book of before has not opened one until step 2, and does not afterwards; the new one has passed
over none that was registered later than step 1. Whatever is repeated goes on where it broke off.

What a book says of its own numbers is so: it alone gives them up. What broke off when they were
given up is completed before others are given, and one command gives at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg

from services.ledger.replay.parallel import conninfo_of
from services.ledger.tables.book_rules import (
    Rule,
    book_of_number,
    change_rules,
    drop_rule,
    has_accounts,
    put_rule,
    read_rules,
)
from shared.books import SPLIT, book_of
from shared.errors import Conflict, Unavailable
from shared.eventstore import Session
from shared.eventstore.postgres import PostgresStore

UPSTREAM = "accounts"
"""Whose contracts open accounts."""
LONGEST_LOCK = "10s"
PAUSE_S = 0.2
"""Between two looks how far others are."""

_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('ledger.assign', 0))"
_PUBLISHED = "SELECT position, published FROM relay"
_APPENDED = "SELECT coalesce(max(notification_id), 0) AS head FROM events"
_READ = "SELECT coalesce(max(position), 0) AS position FROM positions WHERE upstream = %s"
_PARKED = """
SELECT EXISTS (SELECT FROM parked WHERE upstream = %s
                  AND starts_with(convert_from(body, 'UTF8')::json ->> 'number', %s)) AS some
"""


class Assignment(NamedTuple):
    """The numbers that begin like this are for a book, by its log."""

    prefix: str
    to: str
    reason: str

    def rule(self, giver: str = "") -> Rule:
        """Return it as a rule, until it is settled with the book that has the numbers."""
        return Rule(self.prefix, self.to, not giver, self.reason, giver)


def giver_of(rules: list[Rule], assignment: Assignment) -> str:
    """Return the log of the book that has the numbers until they are given away."""
    for rule in sorted(rules, key=lambda one: len(one.prefix), reverse=True):
        is_own = rule.prefix == assignment.prefix and rule.book == assignment.to
        if rule.settled and not is_own and assignment.prefix.startswith(rule.prefix):
            return rule.book
    return SPLIT


def assign(
    stores: Mapping[str, PostgresStore],
    contracts: PostgresStore,
    assignment: Assignment,
    wait: Callable[[float], None],
    patience: float,
) -> bool:
    """Give numbers to a book; return False where they are its own already.

    ``stores`` are those of all books, ``contracts`` that of the accounts service; ``wait`` sleeps
    for so many seconds. Raises Conflict ``numbers_in_use`` where the book of before has an account
    of them, ``numbers_being_given`` where another command gives some, and Unavailable
    ``contracts_unpublished`` or ``book_is_behind`` where the relay has not published the contracts
    in time, or the book of before has not read them.
    """
    with _alone(stores[SPLIT]):
        completed = _complete(stores)
        known = _rules_of(stores[SPLIT])
        wanted = assignment.rule()
        if all(wanted[:3] in _heads(_rules_of(one)) for one in stores.values()):
            return wanted[:3] in _heads(completed)
        giver, taker = stores[giver_of(known, assignment)], stores[assignment.to]
        if giver is not taker:
            taker.transact(_announce, (assignment, known))
            try:
                _wait_for_contracts(giver, contracts, wait, patience)
                giver.transact(_give_up, assignment)
            except Conflict:
                taker.transact(_withdraw, (assignment, known))
                raise
        _settle_in_all(stores, wanted)
    return True


def check(stores: Mapping[str, PostgresStore], assignment: Assignment) -> bool:
    """Return whether there is anything to give; raises Conflict ``numbers_in_use``."""
    giver = stores[giver_of(_rules_of(stores[SPLIT]), assignment)]
    if giver.service == assignment.to or _is_given_up(giver, assignment):
        return not _is_given_up(stores[SPLIT], assignment)
    giver.query(lambda session: _check_unused(session.cursor, assignment.prefix))
    return True


@contextmanager
def _alone(first: PostgresStore) -> Iterator[None]:
    """Keep others from giving numbers; raises Conflict ``numbers_being_given``.

    The lock ends with its connection, however this process ends.
    """
    with psycopg.connect(conninfo_of(first), autocommit=True) as connection:
        row = connection.execute(_TRY_LOCK).fetchone()
        if row is None or not row[0]:
            raise _being_given()
        yield


def _being_given() -> Conflict:
    return Conflict(
        "numbers_being_given",
        "Numbers are being given to a book by another command: repeat yours when it has ended.",
    )


def _complete(stores: Mapping[str, PostgresStore]) -> list[Rule]:
    """Complete what broke off after numbers were given up; return the rules that were."""
    rules = {log: _rules_of(store) for log, store in stores.items()}
    settled = {head for known in rules.values() for head in _heads(known) if head[2]}
    completed = []
    for log, known in rules.items():
        for rule in known:
            # The book opens them already, or the one of before has given them up.
            if rule.book != log or (rule.prefix, rule.book, True) not in settled:
                continue
            final = rule._replace(settled=True, giver="")
            if not all(final[:3] in _heads(one) for one in rules.values()):
                _settle_in_all(stores, final)
                completed.append(final)
    return completed


def _settle_in_all(stores: Mapping[str, PostgresStore], rule: Rule) -> None:
    """Have all books know a rule; that which opens the accounts last, when callers find it."""
    for log, store in stores.items():
        if log != rule.book:
            store.transact(_settle, rule)
    stores[rule.book].transact(_settle, rule)


def _rules_of(store: PostgresStore) -> list[Rule]:
    return store.query(lambda session: read_rules(session.cursor))


def _heads(rules: Iterable[Rule]) -> set[tuple[Any, ...]]:
    return {rule[:3] for rule in rules}


def _is_given_up(giver: PostgresStore, assignment: Assignment) -> bool:
    """Return whether a run that broke off has come as far as that."""
    return assignment.rule()[:3] in _heads(_rules_of(giver))


def _announce(session: Session, asked: tuple[Assignment, list[Rule]]) -> None:
    """Have the book put aside what would open an account of the numbers."""
    assignment, known = asked
    _hold(session)
    own = {rule.prefix for rule in read_rules(session.cursor)}
    for rule in known:  # a book that is new knows of none
        if rule.settled and rule.prefix not in own:
            put_rule(session.cursor, rule)
    put_rule(session.cursor, assignment.rule(giver_of(known, assignment)))


def _wait_for_contracts(
    giver: PostgresStore,
    contracts: PostgresStore,
    wait: Callable[[float], None],
    patience: float,
) -> None:
    """Wait until a book has read all contracts that are registered by now."""
    head = _number(contracts, _APPENDED, "head")
    while (relayed := _number(contracts, _PUBLISHED, "position")) < head:
        if patience <= 0:
            raise _unpublished(head - relayed)
        patience = _waited(wait, patience)
    published = _number(contracts, _PUBLISHED, "published")
    while (read := _number(giver, _READ, "position", UPSTREAM)) < published:
        if patience <= 0:
            raise _behind(giver.service, published - read)
        patience = _waited(wait, patience)


def _waited(wait: Callable[[float], None], patience: float) -> float:
    wait(PAUSE_S)
    return patience - PAUSE_S


def _unpublished(events: int) -> Unavailable:
    return Unavailable(
        "contracts_unpublished",
        f"The relay of {UPSTREAM} has not published its last {events} events, so nothing was given "
        "away: see `saldo bus lag`, and repeat the command.",
        service=UPSTREAM,
        events=events,
    )


def _behind(log: str, events: int) -> Unavailable:
    return Unavailable(
        "book_is_behind",
        f"{log} is {events} events behind {UPSTREAM}, so nothing was given away: see "
        "`saldo bus lag`, and repeat the command.",
        service=log,
        events=events,
    )


def _number(store: PostgresStore, query: str, name: str, *parameters: str) -> int:
    row = store.query(lambda session: session.cursor.execute(query, parameters).fetchone())
    return int(row[name])


def _give_up(session: Session, assignment: Assignment) -> None:
    _hold(session)
    cursor, prefix = session.cursor, assignment.prefix
    if book_of_number(cursor, prefix) != _log_here(cursor):
        raise _being_given()  # another command, which has lost its lock
    parked = cursor.execute(_PARKED, (UPSTREAM, prefix)).fetchone()["some"]
    if parked:
        raise _in_use(cursor, prefix)
    _check_unused(cursor, prefix)
    put_rule(cursor, assignment.rule())


def _check_unused(cursor: Any, prefix: str) -> None:
    if has_accounts(cursor, prefix):
        raise _in_use(cursor, prefix)


def _in_use(cursor: Any, prefix: str) -> Conflict:
    book = book_of(_log_here(cursor))
    return Conflict(
        "numbers_in_use",
        f"The book {book or '-'} has accounts whose numbers begin with {prefix}, or contracts "
        "that wait to open them: these numbers stay its own.",
        prefix=prefix,
        book=book,
    )


def _log_here(cursor: Any) -> str:
    return str(cursor.execute("SELECT current_schema() AS log").fetchone()["log"])


def _withdraw(session: Session, asked: tuple[Assignment, list[Rule]]) -> None:
    """Have the book know again what it did before the numbers were announced to it."""
    assignment, known = asked
    _hold(session)
    drop_rule(session.cursor, assignment.prefix)
    for rule in known:
        if rule.settled and rule.prefix == assignment.prefix:
            put_rule(session.cursor, rule)


def _settle(session: Session, rule: Rule) -> None:
    _hold(session)
    put_rule(session.cursor, rule)


def _hold(session: Session) -> None:
    # Whoever opens an account holds it until he commits, as a chunk of an import does.
    session.cursor.execute(f"SET LOCAL lock_timeout = '{LONGEST_LOCK}'")
    change_rules(session.cursor)
