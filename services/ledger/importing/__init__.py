"""Importing files: accounts, opening balances, charges and adjustments, by the bulk path.

Reading order: :mod:`kinds` (the columns of each kind of file), :mod:`source` (a file as a stream of
rows), :mod:`groups` (rows that stand or fall together), one module per kind (:mod:`charges`,
:mod:`registry`, :mod:`openings`, :mod:`adjustments`: what an entry is and how many of them are
posted at once), :mod:`journal` and :mod:`quarantine` (what is remembered of a run), :mod:`run`
(the run itself).
"""
