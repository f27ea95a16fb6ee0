"""Bugs of sessions, passwords and access to accounts."""

from __future__ import annotations

from typing import Any

from tests.faults.bugs.planting import Function, plant


@plant("session-survives-its-end", "services.identity.sessions:Sessions.end")
def _keep_session(original: Function) -> Function:
    def wrong(self: Any, person_id: Any, session_id: Any) -> bool:
        """End nothing, and say that it was done."""
        return True

    return wrong


@plant("account-is-linked-without-proof", "services.accounts.linking:Linking._fact")
def _believe(original: Function) -> Function:
    def wrong(self: Any, session: Any, current: Any, command: Any) -> Any:
        return original(self, session, current, command) or (current and "number")

    return wrong


@plant("new-password-is-not-stored", "services.identity.credentials:Credentials.set_chosen")
def _keep_password(original: Function) -> Function:
    def wrong(self: Any, *arguments: Any, **named: Any) -> None:
        """Change nothing, and say that it was done."""

    return wrong


@plant("sessions-outlive-a-new-password", "services.identity.password_change:leave_only")
def _leave_all(original: Function) -> Function:
    def wrong(*arguments: Any, **named: Any) -> None:
        """End no session."""

    return wrong
