"""A simulated acquirer: the bank's side of the RBS REST protocol, as its own process.

It exists so that an installation without a bank can take the whole way of a payment: the order is
registered server to server, the card is entered on the bank's page, the outcome comes back by a
signed callback and by the status call. It shares no code with the payments service: each side
implements the protocol for itself, so that one does not hide the other's mistake.
"""
