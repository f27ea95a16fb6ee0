"""The RPCs of accounts: decode, one use case, encode."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.accounts import application, schemas
from services.accounts.domain import clean_number
from services.accounts.policy import load_policy
from services.accounts.proof import KEY_PURPOSE, ProofSeal
from shared.config import GATEWAY
from shared.errors import Forbidden, NotFound
from shared.rpc.server import StoreProvider, rpc


class AccountsService:
    """Look-up, linking and ownership of accounts, for the gateway and the other services."""

    name = "accounts"

    store = StoreProvider()
    linking = application.Linking(load_policy())

    @rpc(schemas.LookUp, callers=(GATEWAY,))
    def lookup(self, person_id: UUID, number: str) -> dict[str, Any]:
        """Return ``{number, address, holder, linked, rate_limit}``, address and holder masked.

        Raises NotFound ``account_not_found`` and Forbidden ``too_many_attempts``.
        """
        command = application.LookUpAccount(person_id=person_id, number=number)
        preview: dict[str, Any] | None = self.store.transact(self.linking.look_up, command)
        if preview is None:
            raise NotFound(
                "account_not_found",
                "There is no such account; check the number against the last bill.",
            )
        return preview

    @rpc(schemas.Link, callers=(GATEWAY,))
    def link(self, person_id: UUID, number: str, proof: str) -> dict[str, Any]:
        """Link an account; ``proof`` is the number or the total of the last paper bill.

        Raises Forbidden ``link_refused``, the same for an unknown number and a wrong fact; and as
        `application.Linking.link`.
        """
        seal = ProofSeal(self.store.hash_key(KEY_PURPOSE))
        command = application.LinkAccount(
            person_id=person_id,
            number=number,
            fact=seal.of_answer(clean_number(number) or "", proof),
        )
        result: dict[str, Any] = self.store.execute(self.linking.link, command)
        if not result["linked"]:
            raise Forbidden(
                "link_refused",
                "The number and the fact do not belong together; check both against the last bill.",
            )
        return {"number": result["number"], "rate_limit": result.get("rate_limit")}

    @rpc(schemas.Unlink, callers=(GATEWAY,))
    def unlink(self, person_id: UUID, number: str) -> dict[str, Any]:
        """Take an account out of the cabinet; raises as `application.unlink_account`."""
        command = application.UnlinkAccount(person_id=person_id, number=number)
        result: dict[str, Any] = self.store.execute(application.unlink_account, command)
        return result

    @rpc(schemas.Linked, callers=(GATEWAY,))
    def linked(self, person_id: UUID) -> dict[str, Any]:
        """Return ``{accounts: [{number, address, holder, residents, areas, els, linked_at}]}``."""
        accounts = self.store.query(lambda session: application.linked_accounts(session, person_id))
        return {"accounts": accounts}

    @rpc(schemas.Owns, callers=(GATEWAY, "helpdesk", "payments"))
    def owns(self, person_id: UUID, numbers: list[str]) -> dict[str, Any]:
        """Return ``{owned: [...], foreign: [...]}`` for the numbers given."""
        answer: dict[str, Any] = self.store.query(
            lambda session: application.ownership(session, person_id, numbers)
        )
        return answer
