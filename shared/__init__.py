"""The foundation of every part of Saldo: one module per subject, none of which knows billing."""
