"""Payments that staff post: taken at a cash desk or in a bank, each once.

The id of what one of the staff enters is derived from it: the same document of a day, or without
one the same sums, are posted once, whoever enters them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from services.ledger.application import PaidLine, PostPayment, post_payment
from services.ledger.domain import Account, account_id
from services.ledger.domain.events import TakenElsewhere
from services.ledger.limits import POST_PAYMENT, allowance
from services.ledger.loading import under_the_law
from services.ledger.previews import SUMS, changes, replayed, sums_of
from services.ledger.reports.balances import balance
from services.ledger.tenures import paid_keys
from shared import context
from shared.account_key import number_of
from shared.errors import Conflict, ValidationFailed
from shared.eventstore import Session
from shared.eventstore.group_commit import GroupCommit
from shared.eventstore.postgres import PostgresStore
from shared.ids import NAMESPACE, derived_id


class TakePayment(msgspec.Struct, frozen=True, kw_only=True):
    """Post what one payer has paid for one account; no day is today."""

    line: PaidLine
    taken: TakenElsewhere
    paid_on: date | None = None


def take_payment(
    store: PostgresStore, group_commit: GroupCommit, asked: TakePayment, *, dry_run: bool
) -> dict[str, Any]:
    """Post a payment as the actor, or return what it would do.

    Returns ``state`` (``done``, ``dry_run``), the payment with its id, and the account's sums
    after it. ``repeated``: it was posted before, so nothing was changed; ``reversed``: and reversed
    since. Raises Forbidden ``staff_may_not`` and ``above_limit``, ValidationFailed ``invalid_day``,
    NotFound ``account_not_found``, Conflict ``payment_posted_otherwise`` for a document that has
    another sum, and what the domain refuses.
    """
    command = _command(asked, store.clock.today())
    command = store.look(lambda session: _with_keys(session, command))
    with _naming_the_document(command):
        if dry_run:
            return store.query(lambda session: _preview(session, command))
        known, limited = store.look(
            lambda session: (_is_posted(session, command), _is_limited(session))
        )
        result = _post(store, group_commit, command, limited=limited)
    repeated = known or not result["posted"]
    return store.query(lambda session: _posted(session, command, repeated=repeated))


def post_payment_taken_elsewhere(
    store: PostgresStore, group_commit: GroupCommit, command: PostPayment
) -> dict[str, Any]:
    """Post a payment that the actor took, within his limit of the day if he has one.

    Raises ValidationFailed ``duplicate_account`` for two lines of one account.
    """
    with_keys, limited = store.look(
        lambda session: (_with_keys(session, command), _is_limited(session))
    )
    return _post(store, group_commit, with_keys, limited=limited)


def _is_limited(session: Session) -> bool:
    """Return whether there is a limit of the day for the actor's payments."""
    return allowance(session, context.current().actor, POST_PAYMENT).left is not None


def _post(
    store: PostgresStore, group_commit: GroupCommit, command: PostPayment, *, limited: bool
) -> dict[str, Any]:
    """Post a payment whose lines name keys: a key is no name, and not to be read as one again."""
    actor = context.current().actor
    content = msgspec.json.encode(command).decode()
    with context.bind(command_id=_id(POST_PAYMENT, content, actor)):
        # Without a limit there is no sum of the day, so concurrent payments are committed together.
        result: dict[str, Any] = (
            store.execute(_post_within_limit, command)
            if limited
            else group_commit.execute(post_payment, command)
        )
    return result


def _post_within_limit(session: Session, command: PostPayment) -> dict[str, Any]:
    session.read.hold_movements()
    left = allowance(session, context.current().actor, POST_PAYMENT)
    result = post_payment(session, command)
    posted = frozenset(result["posted"])
    amount = sum(line.amount + line.penalty for line in command.lines if line.account in posted)
    left.check(amount)
    if posted:
        left.use(session, context.current().command_id or command.payment_id, amount)
    return result


class BankDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The document of a payment in a bank's register."""

    account: str
    paid_on: date
    document: str


def entered_documents(session: Session, documents: Sequence[BankDocument]) -> list[int]:
    """Return the places of those documents that staff have entered by `take_payment`.

    One that was entered and reversed counts, too: staff decide what it is.
    """
    ids = [_id_of_document(one.account, one.paid_on, "bank", one.document) for one in documents]
    entered = {UUID(row["payment_id"]) for row in session.read.postings_of_all(ids)}
    return [place for place, id_ in enumerate(ids) if id_ in entered]


def _with_keys(session: Session, command: PostPayment) -> PostPayment:
    """Return a payment to the accounts that are meant: by a number, the holder's of now."""
    named = [line.account for line in command.lines]
    keys = paid_keys(session, command.payment_id, named)
    lines = tuple(replace(line, account=key) for line, key in zip(command.lines, keys, strict=True))
    if len({line.account for line in lines}) < len(lines):
        # The second line would be taken for a repetition of the first.
        raise ValidationFailed("duplicate_account", "Name every account once.")
    return replace(command, lines=lines)


def _command(asked: TakePayment, today: date) -> PostPayment:
    paid_on, line, taken = asked.paid_on or today, asked.line, asked.taken
    # The same document is the same payment, whoever holds the number by now.
    number = number_of(line.account)
    if paid_on > today:
        raise ValidationFailed("invalid_day", f"Nobody has paid on {paid_on} yet: it is {today}.")
    return PostPayment(
        payment_id=_id_of_document(number, paid_on, taken.place, taken.document)
        if taken.document
        else id_of_sums(number, paid_on, taken.place, line),
        paid_on=paid_on,
        lines=(line,),
        taken=taken,
    )


def _preview(session: Session, command: PostPayment) -> dict[str, Any]:
    left = allowance(session, context.current().actor, POST_PAYMENT)
    if _is_posted(session, command):
        return {**_posted(session, command, repeated=True), "state": "dry_run"}
    [line] = command.lines
    id_ = account_id(line.account)
    history = [recorded.event for recorded in session.history(id_)]
    # The session only reads: what this triggers is recorded nowhere.
    post_payment(session, command)
    left.check(line.amount + line.penalty)
    account = under_the_law(session, replayed(id_, history))
    before = sums_of(account)
    for triggered in session.load(Account, id_).pending:
        account.replay(triggered)
    _, event = account.payments[command.payment_id]
    return {
        **_described(command, "dry_run"),
        **changes([before], [sums_of(account)]),
        "allocation": msgspec.to_builtins(list(event.allocation)),
    }


def _posted(session: Session, command: PostPayment, *, repeated: bool) -> dict[str, Any]:
    [line] = command.lines
    found = balance(session, line.account, None)
    sums = {name: found[name] for name in ("number", *SUMS)}
    [posting] = [
        posting
        for posting in session.read.postings_of(command.payment_id)
        if posting["account"] == line.account
    ]
    return {
        **_described(command, "done"),
        "accounts": [sums],
        "allocation": posting["allocation"],
        "repeated": repeated,
        "reversed": repeated and _is_reversed(session, command),
    }


def _described(command: PostPayment, state: str) -> dict[str, Any]:
    [line] = command.lines
    return {
        "state": state,
        "payment_id": str(command.payment_id),
        "account": line.account,
        "paid_on": command.paid_on.isoformat(),
        "amount": line.amount,
        "penalty": line.penalty,
        "period": line.period,
        **msgspec.to_builtins(command.taken),
        "repeated": False,
        "reversed": False,
    }


def _is_posted(session: Session, command: PostPayment) -> bool:
    """Return whether the payment is posted; raises Conflict where it is with another sum."""
    [line] = command.lines
    posted = [
        posting
        for posting in session.read.postings_of(command.payment_id)
        if posting["account"] == line.account
    ]
    if posted and (posted[0]["amount"], posted[0]["penalty"]) != (line.amount, line.penalty):
        raise Conflict("payment_posted_otherwise", "It is posted with another sum.")
    return bool(posted)


def _is_reversed(session: Session, command: PostPayment) -> bool:
    [line] = command.lines
    history = session.history(account_id(line.account))
    account = replayed(account_id(line.account), [recorded.event for recorded in history])
    return command.payment_id in account.reversed


@contextmanager
def _naming_the_document(command: PostPayment) -> Iterator[None]:
    try:
        yield
    except Conflict as error:
        if error.code != "payment_posted_otherwise" or command.taken is None:
            raise
        raise Conflict(
            error.code,
            f"Document {command.taken.document} of {command.paid_on} is posted to "
            f"{command.lines[0].account} already, with another sum: reverse that payment, or give "
            "the number of another document.",
            document=command.taken.document,
            paid_on=command.paid_on.isoformat(),
            account=command.lines[0].account,
        ) from error


def id_of_sums(number: str, paid_on: date, place: str, line: PaidLine) -> UUID:
    """Return the id of a payment that was taken without a document."""
    sums = ("sums", line.amount, line.penalty, line.period or "")
    return _id("taken-payment", number, paid_on, place, *sums)


def _id_of_document(account: str, paid_on: date, place: str, document: str) -> UUID:
    return _id("taken-payment", account, paid_on, place, "document", document)


def _id(*parts: object) -> UUID:
    return derived_id(NAMESPACE, "ledger", *map(str, parts))
