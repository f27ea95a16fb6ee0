"""Local doubles of the outside parties: the acquirers, the cash register, and the mail server.

Each is a process of its own, or one process is several (`python -m deploy.doubles`). They share no
code with the services that are tested against them. Among themselves they share what is of no
protocol: how they run, the switch of faults, the file that survives a kill.
"""
