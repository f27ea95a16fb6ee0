"""Read only: what an account owes and why, and the totals over all accounts.

Of one account: :mod:`balances`, :mod:`statements`, :mod:`history`. Over all accounts:
:mod:`turnover` (the rows of one account), :mod:`totals` (their sums, and the trial balance),
:mod:`overdue`, :mod:`export`.
"""
