"""``saldo bus``: lag, epochs, parked messages, what there is; subscribers, and replay to them."""

from __future__ import annotations

from services.bus_commands import describe, epochs, lag, parked, quarantine, replay, subscriber
from services.terminal import StaffVerbs

app = StaffVerbs("The bus: lag, parked messages, types of events, subscribers, and replay.")
app.reads("lag")(lag.lag)
app.reads("epochs")(epochs.epochs)
app.reads("describe")(describe.describe)
app.writes("parked", long=True)(parked.parked_)
app.writes("replay", long=True)(replay.replay)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(subscriber.app, name="subscriber")
