"""``saldo keys``: which keys are in use, new ones, and sealing anew what old ones have sealed."""

from __future__ import annotations

from services.verbs import StaffVerbs

app = StaffVerbs(
    "Keys: list, rotate and drop them, and seal anew what older ones have sealed.", "services"
)
app.reads("status", ".keys_verbs:status", long=True)
app.writes("rotate", ".keys_verbs:rotate")
app.writes("rewrap", ".keys_verbs:rewrap", long=True)
app.writes("drop", ".keys_verbs:drop")
app.writes("new-seal", ".keys_verbs:new_seal")
