"""The nameko service ``gateway``: all routes in one class, and their RPC client."""

from __future__ import annotations

from typing import Any

from nameko.extensions import DependencyProvider

from gateway.operations import ServiceCalls
from gateway.routes.accounts import AccountRoutes
from gateway.routes.acquirer import AcquirerRoutes
from gateway.routes.charges import ChargeRoutes
from gateway.routes.documents import DocumentRoutes
from gateway.routes.health import HealthRoutes
from gateway.routes.me import MeRoutes
from gateway.routes.password_resets import PasswordResetRoutes
from gateway.routes.payments import PaymentRoutes
from gateway.routes.questions import QuestionRoutes
from gateway.routes.registrations import RegistrationRoutes
from gateway.routes.sessions import SessionRoutes

CLIENT_KEY = "saldo.rpc_client"
"""Key of nameko's config under which the process puts the RPC client."""


class ServicesProvider(DependencyProvider):
    """Injects the RPC client of the process."""

    def get_dependency(self, worker_ctx: Any) -> ServiceCalls:
        client: ServiceCalls = self.container.config[CLIENT_KEY]
        return client


class Gateway(
    RegistrationRoutes,
    DocumentRoutes,
    SessionRoutes,
    MeRoutes,
    PasswordResetRoutes,
    AccountRoutes,
    ChargeRoutes,
    PaymentRoutes,
    QuestionRoutes,
    AcquirerRoutes,
    HealthRoutes,
):
    """The API: the routes of every subject."""

    name = "gateway"

    services = ServicesProvider()
