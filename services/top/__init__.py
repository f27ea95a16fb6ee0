"""``saldo top``: a live screen of an installation, from the metrics of its processes.

:mod:`samples` reads the processes, :mod:`picture` computes rates from two samples, :mod:`screen`
draws them, :mod:`command` is the verb.
"""
