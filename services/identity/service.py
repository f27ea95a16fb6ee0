"""The service of identity, made of the RPCs of its subjects."""

from __future__ import annotations

from services.identity.rpcs.documents import DocumentRpcs
from services.identity.rpcs.email_change import EmailChangeRpcs
from services.identity.rpcs.letters import LetterRpcs
from services.identity.rpcs.personal_data import PersonalDataRpcs
from services.identity.rpcs.profile import ProfileRpcs
from services.identity.rpcs.recovery import RecoveryRpcs
from services.identity.rpcs.registration import RegistrationRpcs
from services.identity.rpcs.second_factor import SecondFactorRpcs
from services.identity.rpcs.sign_in import SignInRpcs
from services.identity.rpcs.staff import StaffRpcs
from services.identity.rpcs.subscribers import SubscriberRpcs


class IdentityService(
    RegistrationRpcs,
    DocumentRpcs,
    SignInRpcs,
    SecondFactorRpcs,
    RecoveryRpcs,
    EmailChangeRpcs,
    ProfileRpcs,
    PersonalDataRpcs,
    LetterRpcs,
    SubscriberRpcs,
    StaffRpcs,
):
    """Identity and authentication; README.md lists every RPC with its results."""

    name = "identity"
