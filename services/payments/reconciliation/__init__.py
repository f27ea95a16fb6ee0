"""Reconciliation: our orders, the acquirers' reports, the ledger and bank registers, compared.

Reading order: :mod:`findings` (what a comparison says), :mod:`comparison` (the comparison itself, a
pure function), :mod:`settling` (the command that settles a difference), :mod:`sources` (where the
records come from), :mod:`runs` (the tables), :mod:`reconciler` (one run, in the worker), and
:mod:`nightly` (which days are due).
"""
