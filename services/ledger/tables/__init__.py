"""The ledger's tables: their columns, bulk access, and closed months.

:mod:`columns` lists the columns of each table, :mod:`bulk_copy` reads and writes ``balances`` in
bulk, :mod:`accounts_at_hand` gives accounts to post payments to, :mod:`group_rows` has the rows
that their payments change, :mod:`closed_periods` keeps postings out of closed months,
:mod:`book_rows` writes what the book's events say, :mod:`command_rows` digests rows of
``commands``, :mod:`staff_movements` adds up what staff moved, :mod:`newest_event` finds one event
of a stream.
"""
