"""A simulated YooKassa: its API v3, the payer's page and the notifications, as its own process.

It shares no code with the payments service, and of the other simulated acquirer only the test
cards: each side implements the protocol for itself, so that a mistake on one side shows on the
other.
"""
