"""The ledger: what households owe and have paid, as an append-only log."""
