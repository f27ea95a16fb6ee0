"""The verbs of ``saldo ledger``, by subject; :mod:`services.ledger.cli` mounts them."""
