"""How each method of the ledger is asked where it has several books; see :mod:`shared.rpc.books`.

A test fails where a method of the ledger is not in the table. A page that goes from book to book
continues at a place that names its book: a number of the log has it above its 48 lower bits, a text
before a stroke.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from shared.books import log_of
from shared.errors import Conflict, NotFound, ServiceError, ValidationFailed
from shared.rpc.books import BookRouter, Question, Way

_SHIFT = 48
_NOTHING = 10**9
"""More movements than a statement has: a page after them has the totals alone."""
Answers = Mapping[str, Any]
Arguments = dict[str, Any]


def routed(client: Any, books: Sequence[str]) -> Any:
    """Return a client that calls the right books of the ledger; the same one where it has one."""
    return BookRouter(client, books, METHODS) if books else client


def _first(question: Question, arguments: Arguments) -> Any:
    return question.ask(question.logs[0], arguments)


def _named(question: Question, arguments: Arguments) -> Any:
    """Ask the book that the caller names: what he goes on after is a position of its log."""
    return question.ask(log_of(str(arguments.pop("book", ""))), arguments)


def _of(name: str) -> Way:
    """Ask the book of the account that an argument names."""

    def ask(question: Question, arguments: Arguments) -> Any:
        return question.ask(question.of(arguments[name]), arguments)

    return ask


def _grouped(question: Question, keys: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(question.of(key), []).append(key)
    return found


def _split(name: str, merged: Callable[[Answers, Sequence[str]], Any]) -> Way:
    """Ask each book about its own of several accounts."""

    def ask(question: Question, arguments: Arguments) -> Any:
        keys = arguments[name]
        groups = _grouped(question, keys)
        if len(groups) <= 1:
            return question.ask(next(iter(groups), question.logs[0]), arguments)
        asked = {log: {**arguments, name: group} for log, group in groups.items()}
        return merged(question.ask_each(asked), keys)

    return ask


def _rows(name: str, key: str) -> Callable[[Answers, Sequence[str]], Any]:
    """Put rows of accounts into the order in which these were asked for."""

    def merged(answers: Answers, keys: Sequence[str]) -> Any:
        place = {one: number for number, one in enumerate(keys)}
        rows = [row for answer in answers.values() for row in answer[name]]
        return {name: sorted(rows, key=lambda row: place[row[key] if key else row])}

    return merged


def _together(name: str) -> Callable[[Answers, Sequence[str]], Any]:
    def merged(answers: Answers, _: Sequence[str]) -> Any:
        found: dict[str, Any] = {}
        for answer in answers.values():
            found |= answer[name]
        return {name: found}

    return merged


def _everywhere(name: str) -> Way:
    """Ask all books, and put their lists together."""

    def ask(question: Question, arguments: Arguments) -> Any:
        answers = question.ask_each(dict.fromkeys(question.logs, arguments))
        return {name: [row for answer in answers.values() for row in answer[name]]}

    return ask


def _entered_documents(question: Question, arguments: Arguments) -> Any:
    """Ask about documents, whose places in the question are what is answered."""
    documents = arguments["documents"]
    places: dict[str, list[int]] = {}
    for place, document in enumerate(documents):
        places.setdefault(question.of(document["account"]), []).append(place)
    if not places:
        return _first(question, arguments)
    answers = question.ask_each(
        {log: {"documents": [documents[place] for place in own]} for log, own in places.items()}
    )
    return {
        "entered": sorted(
            places[log][place] for log, answer in answers.items() for place in answer["entered"]
        )
    }


def _statements_between(question: Question, arguments: Arguments) -> Any:
    """Page through the accounts of one book after the other; each page has the totals of all."""
    groups, keys = _grouped(question, arguments["numbers"]), arguments["numbers"]
    if len(groups) <= 1:
        return question.ask(next(iter(groups), question.logs[0]), arguments)
    logs = [log for log in question.logs if log in groups]
    index, after = divmod(arguments.get("after", 0), 1 << _SHIFT)
    asked = {
        log: {**arguments, "numbers": groups[log], "after": after if here == index else _NOTHING}
        for here, log in enumerate(logs)
    }
    answers = question.ask_each(asked)
    next_ = answers[logs[index]]["next"] if index < len(logs) else None
    if next_ is not None:
        next_ += index << _SHIFT
    elif index + 1 < len(logs):
        next_ = (index + 1) << _SHIFT
    return {**_rows("accounts", "number")(answers, keys), "next": next_}


def _in_turn(question: Question, arguments: Arguments) -> Any:
    """Page through one book after the other, by positions of their logs."""
    index, after = divmod(arguments.get("after", 0), 1 << _SHIFT)
    answer = question.ask(question.logs[index], {**arguments, "after": after})
    next_ = answer["next"]
    if next_ is not None:
        next_ += index << _SHIFT
    elif index + 1 < len(question.logs):
        next_ = (index + 1) << _SHIFT
    return {**answer, "next": next_}


def _by_number(question: Question, arguments: Arguments) -> Any:
    """Page through one book after the other, by the numbers of accounts."""
    log, stroke, after = arguments.get("after", "").rpartition("/")
    log = log if stroke else question.logs[0]
    answer = question.ask(log, {**arguments, "after": after})
    next_, place = answer["next"], question.logs.index(log)
    if next_ is not None:
        next_ = f"{log}/{next_}" if place else next_
    elif place + 1 < len(question.logs):
        next_ = f"{question.logs[place + 1]}/"
    return {**answer, "next": next_}


def _advances(question: Question, arguments: Arguments) -> Any:
    """Page as `_by_number`; the totals are of all books."""
    page = _by_number(question, arguments)
    first = {"after": "", "limit": 1}
    totals = question.ask_each(dict.fromkeys(question.logs, first))
    sums = {name: sum(one[name] for one in totals.values()) for name in ("count", "total")}
    return {**page, **sums}


def _proposals(question: Question, arguments: Arguments) -> Any:
    """Page through one book after the other; positions name the book, too."""
    index, after = divmod(arguments.get("after", 0), 1 << _SHIFT)
    for here in range(index, len(question.logs)):
        place = {**arguments, "after": after if here == index else 0}
        found = question.ask(question.logs[here], place)["proposals"]
        if found:
            shift = here << _SHIFT
            return {"proposals": [{**row, "position": row["position"] + shift} for row in found]}
    return {"proposals": []}


def _of_proposal(question: Question, arguments: Arguments) -> Any:
    """Ask the book that has a proposal."""
    wanted = {"proposal_id": arguments["proposal_id"]}
    for log in question.logs[:-1]:
        try:
            found = question.ask(log, wanted, "proposal")
        except NotFound:
            continue
        return found if question.method == "proposal" else question.ask(log, arguments)
    return question.ask(question.logs[-1], arguments)


def _verify_proof(question: Question, arguments: Arguments) -> Any:
    """Ask each book in turn: a proof holds in the one whose key has signed it."""
    refused: ServiceError | None = None
    for log in question.logs:
        try:
            return question.ask(log, arguments)
        except ValidationFailed as error:
            if error.code != "proof_does_not_hold":
                raise
            refused = refused or error
    raise refused or NotFound("account_not_found", "There is no book to ask.")


def _find_payments(question: Question, arguments: Arguments) -> Any:
    """Find the newest payments of an account, or of all books."""
    if arguments.get("account"):
        return _of("account")(question, arguments)
    answers = question.ask_each(dict.fromkeys(question.logs, arguments)).values()
    found = [row for answer in answers for row in answer["payments"]]
    found.sort(key=lambda row: str(row["recorded_at"]), reverse=True)
    limit = arguments.get("limit") or len(found)
    more = len(found) > limit or any(answer["more"] for answer in answers)
    return {"payments": found[:limit], "more": more}


def _one_book(question: Question, accounts: Collection[str]) -> str:
    """Return the book that all these accounts are of; raises Conflict ``several_books``.

    No transaction goes over several of them.
    """
    logs = {question.of(account) for account in accounts} or {question.logs[0]}
    if len(logs) > 1:
        raise Conflict(
            "several_books",
            "The accounts are of several books of the ledger, which no command changes at once: "
            "send one for the accounts of each book.",
            accounts=sorted(accounts),
        )
    return logs.pop()


def _post_payment(question: Question, arguments: Arguments) -> Any:
    log = _one_book(question, [line["account"] for line in arguments["lines"]])
    return question.ask(log, arguments)


def _move_payment(question: Question, arguments: Arguments) -> Any:
    log = _one_book(question, [arguments["account"], arguments["to_account"]])
    return question.ask(log, arguments)


def _reverse(question: Question, arguments: Arguments) -> Any:
    """Reverse a payment in the accounts named, or in all where it is posted: in one book."""
    accounts = arguments.get("accounts") or []
    if not accounts:
        wanted = {"payment_ids": [arguments["payment_id"]]}
        posted = question.ask_each(dict.fromkeys(question.logs, wanted), "payments_posted")
        accounts = [row["account"] for one in posted.values() for row in one["payments"]]
    log = _one_book(question, accounts) if accounts else question.logs[0]
    return question.ask(log, arguments)


def _close(question: Question, arguments: Arguments) -> Any:
    """Close a month in one book after the other.

    Where it is closed in some already, as after a call that broke off, in the others. Raises
    Conflict ``period_closed`` where it is closed in all.
    """
    closed, refused = list[Any](), list[Conflict]()
    for log in question.logs:
        try:
            closed.append(question.ask(log, arguments))
        except Conflict as error:
            if error.code != "period_closed":
                raise
            refused.append(error)
    if not closed:
        raise refused[0]
    return closed[0]


METHODS: Mapping[str, Way] = {
    "accruals": _first,
    "adjust": _of("account"),
    "advances": _advances,
    "approve": _of_proposal,
    "balance": _of("number"),
    "balances": _split("numbers", _rows("balances", "number")),
    "bill": _of("number"),
    "billed": _named,
    "billing_runs": _named,
    "books": _first,
    "charges": _of("number"),
    "charges_of_accounts": _split("numbers", _rows("accounts", "number")),
    "close": _close,
    "debt": _of("number"),
    "debts_before_penalty": _by_number,
    "debts_due": _by_number,
    "entered_documents": _entered_documents,
    "find_payments": _find_payments,
    "is_billed": _of("account"),
    "known_accounts": _split("numbers", _rows("known", "")),
    "last_checkpoint": _first,
    "move_payment": _move_payment,
    "open_debts": _split("accounts", _together("accounts")),
    "payment_postings": _everywhere("postings"),
    "payment_proofs": _everywhere("proofs"),
    "payments_of_day": _in_turn,
    "payments_posted": _everywhere("payments"),
    "penalty": _of("number"),
    "policy": _first,
    "post_payment": _post_payment,
    "postings_of_payments": _everywhere("postings"),
    "proposal": _of_proposal,
    "proposals": _proposals,
    "proposed_adjustment": _of("account"),
    "reconciliation": _of("number"),
    "refundable": _everywhere("accounts"),
    "reject": _of_proposal,
    "reverse": _reverse,
    "statement": _of("number"),
    "statement_between": _of("number"),
    "statement_by_days": _of("number"),
    "statements_between": _statements_between,
    "take_payment": _of("account"),
    "verifier_keys": _everywhere("keys"),
    "verify_proof": _verify_proof,
    "write_off": _of("account"),
}
"""Each method of the ledger, besides those that every service has."""
