"""RPCs of the ledger that one other service asks for, apart from those of `service.py`."""
