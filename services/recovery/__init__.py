"""``saldo <service> recover``: what a restore or a failover lost, and bringing it back.

Reading order: :mod:`status` (what is to be done), :mod:`applying` (doing it), :mod:`showing`
(tables), :mod:`verb`. What each service does about its own lost events is in its module
``lost_events``.
"""
