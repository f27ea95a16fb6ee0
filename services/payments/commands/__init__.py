"""The verbs of ``saldo payments``: each asks the service by RPC, as whoever runs it."""
