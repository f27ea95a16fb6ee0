"""The command that settles a difference, for whoever reads the findings."""

from __future__ import annotations

import msgspec

from services.payments.reconciliation.findings import (
    Difference,
    Finding,
    Kind,
    Source,
    What,
)
from shared.money import format_roubles

REASON = "--reason"
_RECOVER = f"saldo payments recover --apply {REASON} WHY"
_RETRY = "saldo bus parked ledger --retry-all"


def settled_by(finding: Finding, difference: Difference) -> Difference:
    """Return a difference with the command that settles it.

    `polls`: asking the acquirer settles it, if anything does; the run does that by itself.
    """
    match difference.source:
        case Source.ACQUIRER:
            command, polls = _of_acquirer(finding, difference)
        case Source.LEDGER:
            command, polls = _of_ledger(finding, difference), False
        case _:
            command, polls = _of_register(finding, difference), False
    return msgspec.structs.replace(difference, command=command, polls=polls)


def recover_first(finding: Finding) -> Finding:
    """Return a finding while events of the log may be lost: what is missing may be among them.

    To credit or to reverse it by hand would be wrong once they are brought back.
    """
    differences = tuple(
        difference
        if difference.source is Source.REGISTER
        else msgspec.structs.replace(difference, command=_RECOVER, polls=False)
        for difference in finding.differences
    )
    return msgspec.structs.replace(finding, differences=differences)


def _of_acquirer(finding: Finding, difference: Difference) -> tuple[str, bool]:
    payment_id = finding.payment_id
    if payment_id is None:
        # Ours by the merchant's number, and no payment of ours: what the bank took is credited by
        # hand, once the bank has said for which account.
        [order] = finding.orders
        left = _plain(order.amount - order.returned)
        day = f" --on {order.day}" if order.day else ""
        paid = f"saldo ledger pay ACCOUNT --amount {left}{day} --at bank"
        return f"{paid} --document {order.order_number[:64]} {REASON} WHY", False
    if difference.kind is Kind.MISSING_THERE:
        return f"saldo ledger reverse {payment_id} {REASON} WHY", True
    if What.SUM in difference.what:
        return f"saldo payments resolve {payment_id} --return {REASON} WHY", True
    if difference.what == (What.DAY,):
        return f"saldo ledger find-payment {payment_id}", False
    return f"saldo payments resolve {payment_id} --poll {REASON} WHY", True


def _of_ledger(finding: Finding, difference: Difference) -> str:
    payment_id = finding.payment_id
    if difference.kind is Kind.MISSING_THERE:
        return _RETRY
    if difference.kind is Kind.MISSING_HERE or What.SUM in difference.what:
        return f"saldo ledger reverse {payment_id} {REASON} WHY"
    if What.STATE in difference.what:
        # The ledger has taken it back, so the money is to go back to the card, too.
        accounts = dict.fromkeys(one.account for one in finding.postings if one.reversed)
        options = " ".join(
            f"--account {line.account} --amount {_plain(line.amount - line.returned)}"
            for line in (finding.ours.lines if finding.ours else ())
            if line.account in accounts and line.amount > line.returned
        )
        return f"saldo payments refund {payment_id} {options} {REASON} WHY"
    if What.RETURNED in difference.what:
        return _RETRY
    return f"saldo ledger find-payment {payment_id}"


def _of_register(finding: Finding, difference: Difference) -> str:
    line = finding.register
    if line is not None and line.command:
        return line.command
    if difference.kind is Kind.MISSING_HERE:
        return _RETRY
    return f"saldo ledger reverse {finding.payment_id} {REASON} WHY"


def _plain(amount: int) -> str:
    """Return an amount as a command takes it: without spaces."""
    return format_roubles(amount).replace("\u00a0", "")
