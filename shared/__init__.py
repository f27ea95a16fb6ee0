"""What every part of Saldo stands on: one module for one subject, none of which knows billing."""
