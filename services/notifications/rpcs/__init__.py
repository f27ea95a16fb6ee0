"""The RPCs of notifications by subject."""
