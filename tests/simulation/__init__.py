"""Simulation: a random company is run through the ledger and compared with a reference model.

``python -m tests.simulation --accounts 10000 --months 24 --seed 1`` writes the files of a company,
imports them with ``saldo ledger import``, posts its payments, and compares every balance at random
past instants and days, the turnover report, the overdue list and the trial balance with
:mod:`tests.simulation.reference_model`, which reads the same files and shares no code with the
ledger.

Reading order: :mod:`reference_model` (one account), :mod:`lateness` (its penalties),
:mod:`scenario` (what happens to an account), :mod:`steps` (the company's calendar), :mod:`files`
and :mod:`reading` (its files), :mod:`company` (all accounts), :mod:`totals` (sums over accounts),
:mod:`installation` (the ledger), :mod:`comparison`.
"""
