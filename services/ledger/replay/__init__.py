"""Everything that reads the whole log again: replay, audit, rebuild.

:mod:`parallel` divides the log over processes, :mod:`streams` replays it stream by stream,
:mod:`sql_balances` adds it up in SQL without the domain code, :mod:`comparison` holds the read
model against both, :mod:`audit` reports the differences, :mod:`rebuild` makes the read model anew.
"""
