"""The bus: carries the events of one service to the others, exactly once in effect.

Reading order: :mod:`messages`, :mod:`topology` (exchanges and queues), :mod:`relay` (log ->
exchange), :mod:`listen` (queue -> reaction), :mod:`parked` (messages that failed for good),
:mod:`jobs` (scheduled work), :mod:`worker` (the threads that run all these).
"""

from shared.bus.messages import Job, Message, Publication, Published, Reaction, Services, Task
from shared.bus.waiting import NotYet

__all__ = ["Job", "Message", "NotYet", "Publication", "Published", "Reaction", "Services", "Task"]
