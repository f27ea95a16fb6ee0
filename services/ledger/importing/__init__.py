"""Importing files: accounts, opening balances, charges and adjustments, by the bulk path.

Files are read by :mod:`shared.tablefiles`. Reading order here: :mod:`kinds` (the columns of each
kind of file), :mod:`groups` (rows that stand or fall together), one module per kind
(:mod:`charges`, :mod:`registry`, :mod:`openings`, :mod:`adjustments`: its entries, and how many of
them make a chunk), :mod:`repeats` (entries in several places of a file), :mod:`posting` (decisions
on a chunk, and its write), :mod:`journal` and :mod:`quarantine` (what a run leaves behind),
:mod:`run` and :mod:`imports` (the run itself).
"""
