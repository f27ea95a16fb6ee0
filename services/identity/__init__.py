"""Persons and organisations: registration, passwords, sessions, recovery, profile, documents."""
