"""The RPCs of accounts: decode, one use case, encode."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any
from uuid import UUID

from services.accounts import application, erasure, invitation_token, linking, schemas, sharing
from services.accounts import staff_access as staff_cases
from services.accounts.cabinet import GuestRole, Role
from services.accounts.limiting import Trier
from services.accounts.policy import load_policy
from services.accounts.proof import KEY_PURPOSE, ProofSeal
from shared.account_spelling import clean_number
from shared.config import GATEWAY
from shared.errors import Forbidden, NotFound
from shared.eventstore import Session
from shared.rpc.callers import staff
from shared.rpc.server import StoreProvider, rpc
from shared.rpc.serving import read_each

IP = IPv4Address | IPv6Address


class AccountsService:
    """Look-up, linking, sharing and ownership of accounts."""

    name = "accounts"

    store = StoreProvider()
    policy = load_policy()
    linking_cases = linking.Linking(policy)
    sharing_cases = sharing.Sharing(policy.limits.invitations_per_person)

    @rpc(schemas.LookUp, callers=(GATEWAY,))
    def lookup(self, person_id: UUID, number: str, ip: IP) -> dict[str, Any]:
        """Return ``{number, address, holder, linked, rate_limit}``, address and holder masked.

        Raises NotFound ``account_not_found`` and Forbidden ``too_many_attempts``.
        """
        command = linking.LookUpAccount(trier=self._trier(person_id, ip), number=number)
        preview: dict[str, Any] | None = self.store.transact(self.linking_cases.look_up, command)
        if preview is None:
            raise NotFound(
                "account_not_found",
                "There is no such account; check the number against the last bill.",
            )
        return preview

    @rpc(schemas.Prove, callers=(GATEWAY,))
    def link(self, person_id: UUID, number: str, proof: str, ip: IP) -> dict[str, Any]:
        """Link an account; ``proof`` is what the policy accepts of the last bill.

        Raises Forbidden ``link_refused``, the same for an unknown number and a wrong fact; and as
        `linking.Linking.link`.
        """
        command = self._proving(person_id, number, proof, ip)
        result: dict[str, Any] = self.store.execute(self.linking_cases.link, command)
        if not result["linked"]:
            raise Forbidden(
                "link_refused",
                "The number and the fact do not belong together; check both against the last bill.",
            )
        return {"number": result["number"], "rate_limit": result.get("rate_limit")}

    @rpc(schemas.Linked, callers=("identity",))
    def held_about(self, person_id: UUID) -> dict[str, Any]:
        """Return all that accounts hold about a person; see `erasure.held_about`."""
        held: dict[str, Any] = self.store.query(
            lambda session: erasure.held_about(session, person_id)
        )
        return held

    @rpc(schemas.Prove, callers=("identity",))
    def prove(self, person_id: UUID, number: str, proof: str, ip: IP) -> dict[str, Any]:
        """Return ``{proven}``: whether an owner of an account knows the fact of its last bill."""
        command = self._proving(person_id, number, proof, ip)
        result: dict[str, Any] = self.store.transact(self.linking_cases.prove, command)
        return result

    @rpc(schemas.OfAccount, callers=(GATEWAY,))
    def unlink(self, person_id: UUID, number: str) -> dict[str, Any]:
        """Take an account out of the cabinet; raises as `linking.unlink_account`."""
        command = linking.UnlinkAccount(person_id=person_id, number=number)
        result: dict[str, Any] = self.store.execute(linking.unlink_account, command)
        return result

    @rpc(schemas.Linked, callers=(GATEWAY,), together="linked_many")
    def linked(self, person_id: UUID) -> dict[str, Any]:
        """Return ``{accounts: [...]}``, each as `application.linked_accounts` has it."""
        accounts = self.store.query(lambda session: application.linked_accounts(session, person_id))
        return {"accounts": accounts}

    def linked_many(self, calls: list[dict[str, Any]]) -> list[Any]:
        """Return what `linked` does for each of many persons."""
        found = read_each(self.store, application.linked_accounts, calls)
        return [{"accounts": one} if isinstance(one, list) else one for one in found]

    @rpc(schemas.Owns, callers=(GATEWAY, "helpdesk", "payments"), together="owns_many")
    def owns(self, person_id: UUID, numbers: list[str], need: application.Need) -> dict[str, Any]:
        """Return ``{owned, foreign, access}`` for the numbers given, in any spelling."""
        return self._asked(lambda session: application.ownership(session, person_id, numbers, need))

    def owns_many(self, calls: list[dict[str, Any]]) -> Any:
        """Return what `owns` does for each of many questions."""
        return self.store.query(lambda session: application.ownerships(session, calls))

    @rpc(schemas.Readers, callers=("notifications",))
    def readers(self, accounts: list[str]) -> dict[str, Any]:
        """Return ``{readers: {account: [person_id]}}``: who may read open accounts now."""
        return self._asked(lambda session: application.readers(session, accounts))

    @rpc(schemas.OfAccount, callers=(GATEWAY,))
    def control_code(self, person_id: UUID, number: str) -> dict[str, Any]:
        """Return ``{control_code}``: that of the last bill for an owner, None for anybody else."""
        return self._asked(lambda session: application.control_code(session, person_id, number))

    @rpc(schemas.OfAccount, callers=(GATEWAY,))
    def access_list(self, person_id: UUID, number: str) -> dict[str, Any]:
        """Return who has access to an account, and its open invitations for owners."""
        return self._asked(lambda session: sharing.access_list(session, person_id, number))

    @rpc(schemas.Invite, callers=(GATEWAY,))
    def invite(self, person_id: UUID, number: str, email: str, role: GuestRole) -> dict[str, Any]:
        """Invite somebody to an account; raises as `sharing.Sharing.invite`."""
        command = sharing.Invite(person_id=person_id, number=number, email=email, role=role)
        result: dict[str, Any] = self.store.execute(self.sharing_cases.invite, command)
        return result

    @rpc(schemas.Token, callers=(GATEWAY,))
    def invitation(self, token: str) -> dict[str, Any]:
        """Return what an invitation gives. Raises NotFound ``invitation_not_found``."""
        invitation_id = self._invitation_of(token)
        return self._asked(lambda session: sharing.invitation(session, invitation_id))

    @rpc(schemas.AcceptInvitation, callers=(GATEWAY,))
    def accept_invitation(self, person_id: UUID, token: str) -> dict[str, Any]:
        """Take the account of an invitation into the cabinet."""
        command = sharing.AcceptInvitation(
            person_id=person_id, invitation_id=self._invitation_of(token)
        )
        result: dict[str, Any] = self.store.execute(sharing.accept_invitation, command)
        return result

    @rpc(schemas.Withdraw, callers=(GATEWAY,))
    def withdraw(self, person_id: UUID, number: str, access_id: UUID) -> dict[str, Any]:
        """End an access that an owner gave, or an open invitation; raises as `sharing.withdraw`."""
        command = sharing.Withdraw(person_id=person_id, number=number, access_id=access_id)
        result: dict[str, Any] = self.store.execute(sharing.withdraw, command)
        return result

    @rpc(schemas.InvitationId, callers=("notifications",))
    def issue_invitation(self, invitation_id: UUID) -> dict[str, Any]:
        """Return the e-mail, the token and the facts of an invitation's letter."""
        facts: dict[str, Any] = self.store.query(
            lambda session: sharing.invitation_letter(session, invitation_id)
        )
        key = self.store.hash_key(invitation_token.KEY_PURPOSE)
        return {**facts, "token": invitation_token.token_of(key, invitation_id)}

    @rpc(schemas.AccountKey, callers=("helpdesk",))
    def house_of(self, account: str) -> dict[str, Any]:
        """Return ``{house}`` of an account's key: its address without the flat, or None."""
        house = self.store.query(lambda session: application.house_of_account(session, account))
        return {"house": house}

    @rpc(schemas.Number, callers=(staff("read"),))
    def persons_of(self, number: str) -> dict[str, Any]:
        """Return ``{persons: [{person_id, role, since, until}]}`` of a number."""
        return self._asked(lambda session: staff_cases.persons_of(session, number))

    @rpc(schemas.Number, callers=(staff("read"),))
    def contract(self, number: str) -> dict[str, Any]:
        """Return the tenures of a number; no holder, no address."""
        return self._asked(lambda session: staff_cases.contract_of(session, number))

    @rpc(schemas.Number, callers=(staff("read"),))
    def links(self, number: str) -> dict[str, Any]:
        """Return who has access to a number, since when and by what right."""
        return self._asked(lambda session: staff_cases.links_of(session, number))

    @rpc(schemas.Attempts, callers=(staff("read"),))
    def attempts(self, number: str | None, limit: int) -> dict[str, Any]:
        """Return the newest attempts to prove an account, or any account."""
        return self._asked(lambda session: staff_cases.attempts_of(session, number, limit))

    @rpc(schemas.StaffLink, callers=(staff("link"),))
    def staff_link(
        self, person_id: UUID, number: str, role: Role, reason: str, dry_run: bool
    ) -> dict[str, Any]:
        """Link an account to a person's cabinet by hand."""
        command = staff_cases.StaffLink(
            person_id=person_id, number=number, role=role, reason=reason, dry_run=dry_run
        )
        return self._staff_does(staff_cases.link_by_staff, command)

    @rpc(schemas.StaffUnlink, callers=(staff("link"),))
    def staff_unlink(
        self, person_id: UUID, number: str, reason: str, dry_run: bool
    ) -> dict[str, Any]:
        """Take an account out of a person's cabinet by hand."""
        command = staff_cases.StaffUnlink(
            person_id=person_id, number=number, reason=reason, dry_run=dry_run
        )
        return self._staff_does(staff_cases.unlink_by_staff, command)

    def _asked(self, question: Callable[[Session], dict[str, Any]]) -> dict[str, Any]:
        answer: dict[str, Any] = self.store.query(question)
        return answer

    def _staff_does(self, handler: Any, command: Any) -> dict[str, Any]:
        if command.dry_run:
            return self._asked(lambda session: handler(session, command))
        result: dict[str, Any] = self.store.execute(handler, command)
        return result

    def _proving(self, person_id: UUID, typed: str, proof: str, ip: IP) -> linking.ProveAccount:
        number = clean_number(typed) or self.store.query(
            lambda session: application.resolve(session, typed)
        )
        seal = ProofSeal(self.store.hash_key(KEY_PURPOSE))
        return linking.ProveAccount(
            trier=self._trier(person_id, ip),
            number=number,
            fact=seal.of_answer(number or "", proof),
        )

    def _trier(self, person_id: UUID, ip: IP) -> Trier:
        network = ip_network(f"{ip}/{64 if ip.version == 6 else 32}", strict=False)
        digest = hmac.digest(self.store.hash_key("networks"), str(network).encode(), "sha256")
        return Trier(person_id=person_id, network=UUID(bytes=digest[:16]))

    def _invitation_of(self, token: str) -> UUID:
        found = invitation_token.invitation_of(
            self.store.hash_key(invitation_token.KEY_PURPOSE), token
        )
        if found is None:
            raise NotFound(
                "invitation_not_found",
                "There is no such invitation; open the link of the letter once more, whole.",
            )
        return found
