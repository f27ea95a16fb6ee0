"""The terminal tables of a loop and of a reconciliation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from deploy.demo.loop import Belief
from deploy.demo.reconciliation import Snapshot
from shared.money import format_roubles


def loop_summary(beliefs: Sequence[Belief]) -> Table:
    """Return the beliefs of the payers, by whether they think they were charged."""
    table = Table("Charged", title=f"{len(beliefs)} payments")
    for name in ("Payments", "Roubles", "Repeats", "Slowest, s"):
        table.add_column(name, justify="right")
    for charged in ("yes", "no", "unknown"):
        some = [belief for belief in beliefs if belief.charged == charged]
        table.add_row(
            charged,
            str(len(some)),
            format_roubles(sum(belief.total for belief in some)),
            str(sum(belief.repeats for belief in some)),
            f"{max((belief.seconds for belief in some), default=0):.2f}",
        )
    remarks = Counter(belief.remark for belief in beliefs if belief.remark)
    if remarks:
        table.caption = "\n".join(f"{count} x {text}" for text, count in remarks.most_common(5))
    return table


def reconciliation_table(snapshot: Snapshot, beliefs: int) -> Table:
    """Return the totals of acquirer, payments and ledger."""
    table = Table("Who", title="Reconciliation")
    for name in ("Taken", "Roubles"):
        table.add_column(name, justify="right")
    taken = {
        "acquirer": sum(order.deposited > 0 for order in snapshot.orders),
        "payments": sum(payment.taken > 0 for payment in snapshot.payments),
        "ledger": len({payment_id for payment_id, _ in snapshot.postings}),
    }
    for who, amount in snapshot.sums.items():
        table.add_row(who, str(taken[who]), format_roubles(amount))
    if beliefs:
        table.caption = f"{beliefs} beliefs of payers compared"
    return table
