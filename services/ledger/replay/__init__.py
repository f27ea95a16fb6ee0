"""Replay of the whole log: audit and rebuild.

Reading order: :mod:`parallel` (parallel workers over ranges of the log), :mod:`sorted_log` (a log
that is larger than memory, sorted by streams first), :mod:`streams` (replay stream by stream),
:mod:`sql_balances` (the same balances in SQL, without the domain code), :mod:`comparison` (the read
model against the log), :mod:`book` (closings and imports) and :mod:`commands` likewise,
:mod:`log_checks` (what no single stream shows), :mod:`audit` (reports the differences), :mod:`swap`
and :mod:`rebuild` (replace the rows that differ).
"""
