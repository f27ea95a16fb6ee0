"""A simulated acquirer: the bank's side of the RBS REST protocol, as its own process.

It lets an installation without a bank run a payment from end to end: the order is registered server
to server, the card is entered on the bank's page, and the outcome comes back by a signed callback
and by the status call. It shares no code with the payments service: each side implements the
protocol for itself, so that a mistake on one side shows on the other.

Its own desk is at /admin, for the local machine: the orders, refunds without the merchant, and the
faults, which `faults.py` describes. SALDO_ACQUIRER_SIGNATURE=rsa has it sign its callbacks by a key
of its own.
"""
