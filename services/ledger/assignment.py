"""Giving numbers to a book of the ledger: which accounts it will open from now on.

A number belongs to one book, and its account is opened there alone, whatever breaks off when. So
the numbers are given while nobody has an account of them, in steps of which each is committed:

1. The book that gets them learns so, but opens none of them yet: what would, waits.
2. The book that had them until now has read all contracts that were registered before that. If it
   has an account of them, they stay where they are. Else it gives them up.
3. The book that gets them opens them.
4. All other books, and so all callers, learn of it.

The book of before has not opened one until step 2, and does not afterwards; the new one has passed
over none that was registered later than step 1. Whatever is repeated goes on where it broke off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from services.ledger.tables.book_rules import (
    Rule,
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

    def rule(self, *, settled: bool) -> Rule:
        """Return it as a rule."""
        return Rule(self.prefix, self.to, settled, self.reason)


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
    of them, and Unavailable ``book_is_behind`` where it has not read the contracts in time.
    """
    known = _rules_of(stores[SPLIT])
    if all(assignment.rule(settled=True)[:3] in _heads(_rules_of(one)) for one in stores.values()):
        return False
    giver = stores[giver_of(known, assignment)]
    taker = stores[assignment.to]
    if giver is not taker and not _is_given_up(giver, assignment):
        taker.transact(_announce, (assignment, known))
        try:
            _wait_for_contracts(giver, contracts, wait, patience)
            giver.transact(_give_up, assignment)
        except Conflict:
            taker.transact(_withdraw, assignment)
            raise
    for store in (taker, *stores.values()):
        store.transact(_settle, assignment)
    return True


def check(stores: Mapping[str, PostgresStore], assignment: Assignment) -> bool:
    """Return whether there is anything to give; raises Conflict ``numbers_in_use``."""
    giver = stores[giver_of(_rules_of(stores[SPLIT]), assignment)]
    if giver.service == assignment.to or _is_given_up(giver, assignment):
        return not _is_given_up(stores[SPLIT], assignment)
    giver.query(lambda session: _check_unused(session.cursor, assignment.prefix))
    return True


def _rules_of(store: PostgresStore) -> list[Rule]:
    return store.query(lambda session: read_rules(session.cursor))


def _heads(rules: list[Rule]) -> set[tuple[Any, ...]]:
    return {rule[:3] for rule in rules}


def _is_given_up(giver: PostgresStore, assignment: Assignment) -> bool:
    """Return whether a run that broke off has come as far as that."""
    return assignment.rule(settled=True)[:3] in _heads(_rules_of(giver))


def _announce(session: Session, asked: tuple[Assignment, list[Rule]]) -> None:
    """Have the book put aside what would open an account of the numbers."""
    assignment, known = asked
    _hold(session)
    own = {rule.prefix for rule in read_rules(session.cursor)}
    for rule in known:  # a book that is new knows of none
        if rule.settled and rule.prefix not in own:
            put_rule(session.cursor, rule)
    put_rule(session.cursor, assignment.rule(settled=False))


def _wait_for_contracts(
    giver: PostgresStore,
    contracts: PostgresStore,
    wait: Callable[[float], None],
    patience: float,
) -> None:
    """Wait until a book has read all contracts that are registered by now."""
    head = _number(contracts, _APPENDED, "head")
    while (relayed := _number(contracts, _PUBLISHED, "position")) < head:
        patience = _waited(wait, patience, UPSTREAM, head - relayed)
    published = _number(contracts, _PUBLISHED, "published")
    while (read := _number(giver, _READ, "position", UPSTREAM)) < published:
        patience = _waited(wait, patience, giver.service, published - read)


def _waited(wait: Callable[[float], None], patience: float, name: str, behind: int) -> float:
    if patience <= 0:
        raise Unavailable(
            "book_is_behind",
            f"{name} is {behind} events behind, so nothing was given away: see `saldo bus lag`, "
            "and repeat the command.",
            service=name,
        )
    wait(0.2)
    return patience - 0.2


def _number(store: PostgresStore, query: str, name: str, *parameters: str) -> int:
    row = store.query(lambda session: session.cursor.execute(query, parameters).fetchone())
    return int(row[name])


def _give_up(session: Session, assignment: Assignment) -> None:
    _hold(session)
    cursor, prefix = session.cursor, assignment.prefix
    parked = cursor.execute(_PARKED, (UPSTREAM, prefix)).fetchone()["some"]
    if parked:
        raise _in_use(cursor, prefix)
    _check_unused(cursor, prefix)
    put_rule(cursor, assignment.rule(settled=True))


def _check_unused(cursor: Any, prefix: str) -> None:
    if has_accounts(cursor, prefix):
        raise _in_use(cursor, prefix)


def _in_use(cursor: Any, prefix: str) -> Conflict:
    book = book_of(cursor.execute("SELECT current_schema() AS log").fetchone()["log"])
    return Conflict(
        "numbers_in_use",
        f"The book {book or '-'} has accounts whose numbers begin with {prefix}, or contracts "
        "that wait to open them: these numbers stay its own.",
        prefix=prefix,
        book=book,
    )


def _withdraw(session: Session, assignment: Assignment) -> None:
    _hold(session)
    drop_rule(session.cursor, assignment.prefix)


def _settle(session: Session, assignment: Assignment) -> None:
    _hold(session)
    put_rule(session.cursor, assignment.rule(settled=True))


def _hold(session: Session) -> None:
    # Whoever opens an account holds it until he commits, as a chunk of an import does.
    session.cursor.execute(f"SET LOCAL lock_timeout = '{LONGEST_LOCK}'")
    change_rules(session.cursor)
