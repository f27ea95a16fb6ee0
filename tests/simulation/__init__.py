"""A company made up at random, imported by the terminal, and compared with books kept by hand.

``python -m tests.simulation --accounts 10000 --months 24 --seed 1`` makes the files of a company,
imports them with ``saldo ledger import``, posts its payments, and compares every balance at random
past instants and days, the turnover sheet, the overdue list and the trial balance with
:mod:`tests.simulation.reference_model`, which reads the same files and shares no code with the
ledger.

Reading order: ``clerk.py`` (the books of one account), ``lateness.py`` (penalties), ``life.py``
(what happens to an account), ``files.py`` (how it is written down and read again), ``company.py``
(all accounts), ``installation.py`` (the ledger's side), ``verdict.py`` (the comparison).
"""
