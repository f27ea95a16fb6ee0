"""The nameko service ``gateway``: all routes in one class, and their RPC client."""

from __future__ import annotations

from typing import Any

from nameko.extensions import DependencyProvider

from gateway.cabinet.pages.acceptance import AcceptancePages
from gateway.cabinet.pages.access import AccessPages
from gateway.cabinet.pages.accounts import AccountPages
from gateway.cabinet.pages.api_reference import ApiReferencePages
from gateway.cabinet.pages.attachments import AttachmentPages
from gateway.cabinet.pages.bills import BillPages
from gateway.cabinet.pages.charges import ChargePages
from gateway.cabinet.pages.documents import DocumentPages
from gateway.cabinet.pages.email_change import EmailChangePages
from gateway.cabinet.pages.entry import EntryPages
from gateway.cabinet.pages.fiscal_receipts import FiscalReceiptPages
from gateway.cabinet.pages.letters import LetterPages
from gateway.cabinet.pages.look import LookPages
from gateway.cabinet.pages.papers import PaperPages
from gateway.cabinet.pages.passwords import PasswordPages
from gateway.cabinet.pages.paying import PayingPages
from gateway.cabinet.pages.payments import PaymentPages
from gateway.cabinet.pages.personal_data import PersonalDataPages
from gateway.cabinet.pages.proofs import ProofPages
from gateway.cabinet.pages.questions import QuestionPages
from gateway.cabinet.pages.receipt_files import ReceiptFilePages
from gateway.cabinet.pages.reference import ReferencePages
from gateway.cabinet.pages.registration import RegistrationPages
from gateway.cabinet.pages.second_step import SecondStepPages
from gateway.cabinet.pages.security import SecurityPages
from gateway.cabinet.pages.settings import SettingsPages
from gateway.cabinet.pages.statements import StatementPages
from gateway.cabinet.pages.static import StaticPages
from gateway.cabinet.pages.status import StatusPages
from gateway.operations import ServiceCalls
from gateway.routes.access import AccessRoutes
from gateway.routes.accounts import AccountRoutes
from gateway.routes.acquirer import AcquirerRoutes
from gateway.routes.attachments import AttachmentRoutes
from gateway.routes.bills import BillRoutes
from gateway.routes.charges import ChargeRoutes
from gateway.routes.disputes import DisputeRoutes
from gateway.routes.documents import DocumentRoutes
from gateway.routes.email_changes import EmailChangeRoutes
from gateway.routes.events import EventRoutes
from gateway.routes.fiscal_receipts import FiscalReceiptRoutes
from gateway.routes.health import HealthRoutes
from gateway.routes.letters import LetterRoutes
from gateway.routes.me import MeRoutes
from gateway.routes.papers import PaperRoutes
from gateway.routes.password_resets import PasswordResetRoutes
from gateway.routes.payments import PaymentRoutes
from gateway.routes.personal_data import PersonalDataRoutes
from gateway.routes.proofs import ProofRoutes
from gateway.routes.questions import QuestionRoutes
from gateway.routes.registrations import RegistrationRoutes
from gateway.routes.second_factors import SecondFactorRoutes
from gateway.routes.second_step import SecondStepRoutes
from gateway.routes.sessions import SessionRoutes
from gateway.subscriptions import Subscriptions
from gateway.web import CLIENT_KEY, CLOCKS_KEY, SETTINGS_KEY
from shared.config import Settings
from shared.distant_clock import ServiceClocks


class ServicesProvider(DependencyProvider):
    """Injects the RPC client of the process."""

    def get_dependency(self, worker_ctx: Any) -> ServiceCalls:
        client: ServiceCalls = self.container.config[CLIENT_KEY]
        return client


class SubscriptionsProvider(DependencyProvider):
    """Injects what the process knows of subscribers: who waits, who has read how much."""

    def setup(self) -> None:
        self._made = Subscriptions(self.container.config[CLIENT_KEY])

    def get_dependency(self, worker_ctx: Any) -> Subscriptions:
        return self._made


class SettingsProvider(DependencyProvider):
    """Gives the pages the settings of the process."""

    def get_dependency(self, worker_ctx: Any) -> Settings:
        settings: Settings = self.container.config[SETTINGS_KEY]
        return settings


class ClocksProvider(DependencyProvider):
    """Injects the clocks of the services, as the process knows them."""

    def get_dependency(self, worker_ctx: Any) -> ServiceClocks:
        clocks: ServiceClocks = self.container.config[CLOCKS_KEY]
        return clocks


class Gateway(
    AccountPages,
    AccessPages,
    EmailChangePages,
    EntryPages,
    AcceptancePages,
    PasswordPages,
    RegistrationPages,
    DocumentPages,
    FiscalReceiptPages,
    LetterPages,
    LookPages,
    PayingPages,
    PaymentPages,
    ProofPages,
    QuestionPages,
    AttachmentPages,
    SecondStepPages,
    SecurityPages,
    SettingsPages,
    PersonalDataPages,
    BillPages,
    ChargePages,
    ReceiptFilePages,
    StatementPages,
    PaperPages,
    ReferencePages,
    ApiReferencePages,
    StatusPages,
    StaticPages,
    RegistrationRoutes,
    DocumentRoutes,
    SessionRoutes,
    SecondStepRoutes,
    SecondFactorRoutes,
    LetterRoutes,
    MeRoutes,
    PersonalDataRoutes,
    PasswordResetRoutes,
    EmailChangeRoutes,
    AccountRoutes,
    AccessRoutes,
    BillRoutes,
    ChargeRoutes,
    DisputeRoutes,
    PaperRoutes,
    PaymentRoutes,
    ProofRoutes,
    QuestionRoutes,
    AttachmentRoutes,
    AcquirerRoutes,
    EventRoutes,
    FiscalReceiptRoutes,
    HealthRoutes,
):
    """The API: the routes of every subject."""

    name = "gateway"

    services = ServicesProvider()
    settings = SettingsProvider()
    clocks = ClocksProvider()
    subscriptions = SubscriptionsProvider()
