"""The verbs of `saldo payments`."""
