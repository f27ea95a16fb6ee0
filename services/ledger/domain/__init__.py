"""The personal account and what may happen to it: pure Python, no I/O.

Reading order: :mod:`events` (what can happen), :mod:`standing` and :mod:`state` (what it does to
an account), :mod:`account` and :mod:`reversal` (what is allowed), :mod:`validation` (its limits).
Where money goes: :mod:`order` (of effect), :mod:`allocation` (which debt a sum pays),
:mod:`debts`, :mod:`settlement` (which money pays which debt, and when), :mod:`taking_back` (which
goes back), :mod:`decision` (what an event therefore moves), :mod:`row_decision` (where no history
is needed for it), :mod:`effective_order` (replay of back-dated events). Beside: :mod:`proposal`
(corrections that take two people), :mod:`book` (closed months, imports, accrual runs),
:mod:`double_entry` (the postings under every event).
"""

from services.ledger.domain.account import EVENTS, OPENING_PERIOD, Account, account_id

__all__ = ["EVENTS", "OPENING_PERIOD", "Account", "account_id"]
