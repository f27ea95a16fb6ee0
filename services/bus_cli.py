"""``saldo bus``: lag, epochs, parked messages, what there is; subscribers, and replay to them."""

from __future__ import annotations

from services.verbs import StaffVerbs

app = StaffVerbs(
    "The bus: lag, parked messages, types of events, subscribers, and replay.",
    "services.bus_commands",
)
app.reads("lag", ".lag:lag")
app.reads("epochs", ".epochs:epochs")
app.reads("describe", ".describe:describe")
app.writes("parked", ".parked:parked_", long=True)
app.writes("replay", ".replay:replay", long=True)

_quarantine = StaffVerbs(
    "Messages that arrived damaged, or are not in the log of their upstream.",
    "services.bus_commands",
)
_quarantine.reads("list", ".quarantine:list_")
_quarantine.writes("drop", ".quarantine:drop")
app.add_typer(_quarantine, name="quarantine")

_subscriber = StaffVerbs(
    "Subscribers: other systems, their credentials, and what each may see.",
    "services.bus_commands",
)
_subscriber.writes("add", ".subscriber:add")
_subscriber.reads("list", ".subscriber:list_")
_subscriber.writes("grant", ".subscriber:grant_")
_subscriber.writes("rotate", ".subscriber:rotate")
_subscriber.writes("remove", ".subscriber:remove")
app.add_typer(_subscriber, name="subscriber")
