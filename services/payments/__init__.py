"""Payments: an order over several accounts, paid on the acquirer's page, posted by the ledger."""
