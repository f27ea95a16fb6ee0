"""The personal account and what may happen to it: pure Python, no I/O.

Reading order: :mod:`events` (what can happen), :mod:`state` (what it does to an account),
:mod:`account` (what is allowed), :mod:`validation` (its limits), :mod:`allocation` (which debt a
sum pays), :mod:`reversal` (undoing a payment), :mod:`proposal` (corrections that take two
people), :mod:`book` (closed months, imports, accrual runs), :mod:`effective_order` (replay of
back-dated events), :mod:`double_entry` (the postings under every event).
"""

from services.ledger.domain.account import EVENTS, OPENING_PERIOD, Account, account_id

__all__ = ["EVENTS", "OPENING_PERIOD", "Account", "account_id"]
