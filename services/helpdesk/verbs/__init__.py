"""The verbs of ``saldo helpdesk``; :mod:`services.helpdesk.cli` is their list."""
