"""Mailings: one letter to each person about all his accounts, for as many persons as there are.

Reading order: `mailing` (what it is, and its letters), `tables`, `noting` (which mailings there
are to be), `collecting` (whom one concerns, by pages of the ledger), `queueing`, `job`.

A page is committed with the place that it has reached, so a mailing that is interrupted goes on
there, and nobody gets two letters of it.
"""
