"""Events that a restore or a failover took from the ledger's log.

What follows from another service's log comes again from there, each payment once by its id. A
payment that was taken at a desk stands in no other log: it is posted again as it was published.
Files and decisions of staff are named, for staff to repeat.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from services.ledger.application import PaidLine, PostPayment, post_payment
from services.ledger.domain.book import RESTORES, LogRestored, Restores
from services.ledger.domain.events import TakenElsewhere
from services.ledger.taken_payments import id_of_sums
from shared import context
from shared.account_key import FIRST, key_of, number_of
from shared.bus import Services
from shared.bus.epochs import stored_history
from shared.bus.readable_losses import UNKNOWN
from shared.errors import ServiceError, Unavailable
from shared.eventstore import Session
from shared.eventstore.lost_events import Advice, Fate, Judged, LostEvent, recoveries
from shared.logs import get_logger
from shared.money import format_roubles

log = get_logger(__name__)

_BATCH: Final = 200
_REASON: Final = "posted again after the log was restored; the document is not known"
_BY_ITSELF: Final = frozenset(
    {
        "account_closed",
        "accrual_begun",
        "accrual_finished",
        "advance_settled",
        "payer_kind_changed",
        "payment_refunded",
        "penalty_accrued",
        "penalty_corrected",
    }
)
_UNPUBLISHED: Final = (
    Advice(
        "Whoever has proposed a correction looks whether it still waits, and proposes it again if "
        "not: saldo ledger proposals"
    ),
)


def judge(session: Session, lost: Sequence[LostEvent]) -> list[Judged]:
    """Return what is to become of lost events."""
    posted = _posted(session, lost)
    begun = {event.data["file_digest"] for event in lost if event.type == "import_begun"}
    return [_judged(event, posted, begun) for event in lost]


def bring_back(services: Services, lost: Sequence[LostEvent]) -> Iterator[Judged]:
    """Post the payments again that nobody else has; yield what has become of each event.

    May be repeated. Raises Unavailable where payments do not answer.
    """
    judged = services.store.query(lambda session: judge(session, lost))
    wanted = [one.event for one in judged if one.fate is Fate.BROUGHT_BACK]
    known = set[str]()
    ids = sorted({event.data["payment_id"] for event in wanted})
    for begin in range(0, len(ids), _BATCH):
        batch = ids[begin : begin + _BATCH]
        known.update(services.call("payments", "known_payments", payment_ids=batch)["known"])
    for one in judged:
        if one.fate is not Fate.BROUGHT_BACK:
            yield one
        elif one.event.data["payment_id"] in known:
            yield Judged(event=one.event, fate=Fate.BY_ITSELF)
        else:
            yield _post(services, one.event)
    services.store.transact(record_epochs, context.current().actor)


def protect(services: Services, lost: Sequence[LostEvent], *, whole: bool) -> None:
    """Record the new epoch where nothing is lost: it is sealed on without anybody."""
    if whole and not lost:
        services.store.transact(record_epochs, context.current().actor)


def record_epochs(session: Session, by: str) -> None:
    """Record in the log after which positions it goes on in new epochs: the seal goes by that.

    Not those whose loss somebody has still to bring back.
    """
    found = {one.epoch: one for one in recoveries(session.cursor)}
    restores = session.load(Restores, RESTORES)
    history, _ = stored_history(session.cursor)
    for epoch in history.epochs[1:]:
        recovery = found.get(epoch.name)
        if recovery is None or recovery.done_at or recovery.asked_at:
            lost = recovery.lost if recovery else 0
            restores.record(LogRestored(epoch=epoch.name, after=epoch.after, lost=lost, by=by))


def _posted(session: Session, lost: Sequence[LostEvent]) -> set[tuple[str, str]]:
    """Return (payment, account) of those lost postings that the log has again."""
    ids = [UUID(event.data["payment_id"]) for event in lost if event.type == "payment_posted"]
    rows = session.read.postings_of_all(ids)
    return {(row["payment_id"], row["account"]) for row in rows}


def _judged(event: LostEvent, posted: set[tuple[str, str]], begun: set[str]) -> Judged:
    data, type_ = event.data, event.type
    if type_ in _BY_ITSELF or (type_ == "account_opened" and not data["opening"]):
        return Judged(event=event, fate=Fate.BY_ITSELF)
    known = type_ == "payment_posted" and (data["payment_id"], _key(data)) in posted
    if known or type_ == "import_refused":
        return Judged(event=event, fate=Fate.NOTHING)
    if type_ == "payment_posted" and not data.get("moved_from"):
        return Judged(event=event, fate=Fate.BROUGHT_BACK)
    if type_ == "import_finished" and data["file_digest"] in begun:
        return Judged(event=event, fate=Fate.STAFF)  # its beginning names the file
    return Judged(event=event, fate=Fate.STAFF, advice=_advice(event))


def _post(services: Services, event: LostEvent) -> Judged:
    data, key = event.data, _key(event.data)
    command = PostPayment(
        payment_id=UUID(data["payment_id"]),
        paid_on=date.fromisoformat(data["effective_on"]),
        lines=(PaidLine(account=key, amount=data["amount"], penalty=data["penalty"]),),
        taken=TakenElsewhere(place=_place(data, number_of(key)), reason=_REASON),
    )
    try:
        services.store.transact(post_payment, command)
    except Unavailable:
        raise
    except ServiceError as error:
        log.warning("payment_not_posted_again", payment_id=data["payment_id"], code=error.code)
        return Judged(event=event, fate=Fate.STAFF, advice=_pay(data))
    return Judged(event=event, fate=Fate.BROUGHT_BACK)


def _place(data: Mapping[str, Any], number: str) -> Any:
    """Return where a payment was taken: its id says so, where it had no document."""
    paid_on = date.fromisoformat(data["effective_on"])
    line = PaidLine(account=number, amount=data["amount"], penalty=data["penalty"])
    of_bank = id_of_sums(number, paid_on, "bank", line)
    return "bank" if UUID(data["payment_id"]) == of_bank else "cash_desk"


def _key(data: Mapping[str, Any]) -> str:
    return key_of(data["account"], data.get("tenure", FIRST))


def _plain(amount: int) -> str:
    """Return an amount as a command takes it: without spaces."""
    return format_roubles(amount).replace("\u00a0", "")


def _advice(event: LostEvent) -> Advice:
    data = event.data
    match event.type:
        case "payment_posted":
            return _move(data, source=data["moved_from"], target=data["account"])
        case "payment_reversed" if data.get("moved_to"):
            return _move(data, source=data["account"], target=data["moved_to"])
        case "penalty_written_off":
            return _WAIVER.about({**data, "amount": _plain(data["amount"])})
        case type_:
            return _ADVICE.get(type_, UNKNOWN).about(data)


def _pay(data: Mapping[str, Any]) -> Advice:
    penalty = f" --penalty {_plain(data['penalty'])}" if data["penalty"] else ""
    return Advice(
        "Enter the payment of {day} again: saldo ledger pay {account} --amount {amount}{penalty} "
        "--on {day} --reason WHY",
        {
            "day": data["effective_on"],
            "account": data["account"],
            "amount": _plain(data["amount"]),
            "penalty": penalty,
        },
    )


def _move(data: Mapping[str, Any], *, source: str, target: str) -> Advice:
    return Advice(
        "Move the payment again: saldo ledger move-payment {payment_id} --from {source} "
        "--to {target} --reason WHY",
        {"payment_id": data["payment_id"], "source": source, "target": target},
    )


_WAIVER: Final = Advice(
    "Write the penalty off again: saldo ledger write-off {account} --amount {amount} --reason WHY"
)
_OPENING: Final = Advice(
    "Import the opening balance of account {account} again: saldo ledger import FILE"
)
_ADVICE: Final[Mapping[str, Advice]] = {
    "payment_reversed": Advice(
        "Reverse the payment again: saldo ledger reverse {payment_id} --reason WHY"
    ),
    "import_begun": Advice(
        "Import the file of {kind} again that has {size} bytes and the SHA-256 {file_digest}: "
        "saldo ledger import FILE"
    ),
    "import_finished": Advice(
        "Import the file again that has the SHA-256 {file_digest}: saldo ledger import FILE"
    ),
    "charges_posted": Advice(
        "Import the file again that has the charges of {period}: saldo ledger import FILE"
    ),
    "account_opened": _OPENING,
    "opening_posted": _OPENING,
    "charges_adjusted": Advice(
        "Recalculate {period} of account {account} again: saldo ledger adjust, or import the file "
        "of adjustments that it stood in."
    ),
    "correction_decided": Advice(
        "Decide on the proposal {proposal_id} again: saldo ledger proposals"
    ),
    "correction_withdrawn": Advice(
        "Withdraw the proposal {proposal_id} again: saldo ledger reject"
    ),
    "month_closed": Advice("Close {period} again: saldo ledger close"),
}


def unpublished() -> Sequence[Advice]:
    """Return what staff do about lost events that were never published."""
    return _UNPUBLISHED
