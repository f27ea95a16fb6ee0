"""Local doubles of the outside parties: the acquirers, and the mail server.

Each is a process of its own, and shares no code with the services that are tested against it.
"""
