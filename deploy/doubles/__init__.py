"""Local doubles of the outside parties: the acquirers, the cash register, and the mail server.

Each is a process of its own, and shares no code with the services that are tested against it. Among
themselves they share what is of no protocol: the switch of faults, the file that survives a kill.
"""
