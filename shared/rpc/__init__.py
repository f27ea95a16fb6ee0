"""Calls between services: :mod:`client` asks, :mod:`server` answers, both with a deadline."""
