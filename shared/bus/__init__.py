"""The bus: how what one service decided reaches the others, exactly once in effect.

Reading order: :mod:`messages` (what travels), :mod:`topology` (exchanges and queues),
:mod:`relay` (log -> exchange), :mod:`listen` (queue -> reaction), :mod:`parked` (what failed for
good), :mod:`jobs` (what a service does by itself), :mod:`worker` (the process of all these).
"""

from shared.bus.messages import Job, Message, Publication, Reaction, Services

__all__ = ["Job", "Message", "Publication", "Reaction", "Services"]
