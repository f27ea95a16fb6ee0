"""Payments at bank desks: the bank's registers and statements, posted once each.

Reading order: :mod:`bank_payment` (the payment and the file, their events), :mod:`layouts`,
:mod:`fields` and :mod:`text_register` (the bank's text register), :mod:`statement` and
:mod:`account_numbers` (1CClientBankExchange), :mod:`files` (which of the two a file is),
:mod:`receiving` (use cases), :mod:`importing` (a file from beginning to end), :mod:`taking` (the
worker's job), :mod:`tables` and :mod:`reports`.
"""
