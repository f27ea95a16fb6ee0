"""The ledger's tables: their columns, bulk access, and closed months.

:mod:`columns` lists the columns of each table, :mod:`bulk_copy` reads and writes ``balances`` in
bulk, :mod:`closed_periods` keeps postings out of closed months.
"""
