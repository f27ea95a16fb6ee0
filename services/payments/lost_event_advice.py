"""What staff do about lost payments that do not come back by themselves."""

from __future__ import annotations

from typing import Final

from shared.eventstore.lost_events import Advice

OF_BANK: Final = Advice(
    "Import the bank's file again that has the payment of {paid_on}, document {document}: "
    "saldo payments import FILE. It is posted once."
)
OF_BANK_UNNUMBERED: Final = Advice(
    "Import the bank's file again that has the payment of {paid_on}, document without a number: "
    "saldo payments import FILE. It is posted once."
)
CONTRADICTED: Final = Advice(
    "The bank does not say what this event said: look at the payment there and in the ledger, "
    "by saldo payments show {payment_id} and saldo ledger find-payment {payment_id}."
)
UNPUBLISHED: Final = (
    Advice(
        "Compare each of these days with the bank: it alone may know the order that a payer has "
        "paid: saldo payments reconcile --day DAY"
    ),
    Advice(
        "Repeat refunds that were requested or decided on, and that the bank has not made: "
        "saldo payments refunds"
    ),
    Advice(
        "Import the files of banks again, and look at what is in suspense: saldo payments import "
        "FILE, saldo payments suspense. Each payment is posted once."
    ),
)
