"""The verbs of ``saldo bus``: a module per subject, mounted in :mod:`services.bus_cli`."""
