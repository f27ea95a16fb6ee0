"""Mailings: one letter to each person about all his accounts, for as many persons as there are.

What a mailing is, and its letters: `mailing.py` beside this package; its rows: `mailing_tables.py`.
Reading order here: `noting` (which mailings there are to be), `collecting` (whom one concerns, by
pages of the ledger), `queueing`, `job`; `overview` is for staff.

A page is committed with the place that it has reached, so a mailing that is interrupted goes on
there, and nobody gets two letters of it.
"""
