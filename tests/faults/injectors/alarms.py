"""RabbitMQ out of memory or of room on its disk: it stops reading from whoever publishes."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.faults.faults import House, fault

_ALARMS = {
    "memory": ("set_vm_memory_high_watermark", ("absolute", "1MB"), ("0.4",)),
    "disk": ("set_disk_free_limit", ("900000GB",), ("50MB",)),
}


@fault
class BrokerAlarm:
    """An alarm of RabbitMQ: publishers are blocked, their connections stay open."""

    name = "broker_alarm"
    lasts = (2.0, 30.0)
    alone = False

    def is_possible(self, house: House) -> bool:
        return "rabbitmq" in house.identities()

    def inject(self, house: House, random: Random) -> str:
        kind = random.choice(tuple(_ALARMS))
        house.notes[self.name] = kind
        command, limit, _ = _ALARMS[kind]
        house.rabbitmqctl(command, *limit)
        return f"an alarm of RabbitMQ: {kind}"

    def heal(self, house: House) -> None:
        kind: Any = house.notes.get(self.name)
        if kind is not None:
            command, _, limit = _ALARMS[kind]
            house.rabbitmqctl(command, *limit)
            del house.notes[self.name]
