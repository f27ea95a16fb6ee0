"""A simulated registrar of fiscal receipts: the cash register's side of ATOL Online, version 5.

It lets an installation without a cash register issue fiscal receipts from end to end: a receipt is
handed over, numbered in a fiscal drive a moment later, and shown on a page as an operator of fiscal
data would. It shares no code with the payments service, so that a mistake on one side shows on the
other. What it issues is no fiscal receipt, and its page says so.
"""
