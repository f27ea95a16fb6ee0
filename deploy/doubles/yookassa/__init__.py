"""A simulated YooKassa: its API v3, the payer's page and the notifications, as its own process.

It shares no code with the payments service, and nothing of a protocol with the other simulated
acquirer: each side implements its own for itself, so that a mistake on one side shows on the
other.
"""
