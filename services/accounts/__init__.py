"""Accounts: the registry of contracts, and who has linked which account to a cabinet."""
