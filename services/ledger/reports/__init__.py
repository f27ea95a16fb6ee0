"""Reports (read only): what an account owes and why, and the totals over all accounts.

Of one account: :mod:`balances`, :mod:`statements`, :mod:`history`. Over all accounts:
:mod:`turnover` (rows from events), :mod:`totals` (turnover reports and the trial balance),
:mod:`overdue`, :mod:`export`.
"""
