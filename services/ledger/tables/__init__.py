"""The ledger's tables: how a row is made from state, copied in bulk, and kept out of closed months.

:mod:`columns` has the columns of each table once, :mod:`bulk_copy` reads and writes rows of
``balances`` by the thousand, :mod:`closed_periods` keeps the months that are closed.
"""
