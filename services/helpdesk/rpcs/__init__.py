"""The RPCs of the help desk by subject; they make up the service in `service.py`."""
