"""``saldo accounts``: import contracts, show one; who has access to an account.

A verb is a function of a module beside this one. This is their only list.
"""

from __future__ import annotations

from services.verbs import StaffVerbs

app = StaffVerbs(
    "Contracts, as billing centres deliver them; who has access to accounts.",
    "services.accounts",
    languages=True,
)
app.reads("show", ".contract_verbs:contract")
app.reads("links", ".access_verbs:links")
app.writes("link", ".access_verbs:link")
app.writes("unlink", ".access_verbs:unlink")
app.reads("attempts", ".access_verbs:attempts")
app.writes("import", ".import_verb:import_contracts", long=True)
app.writes("recover", "services.recovery.verb:recover_of", "accounts", long=True)
