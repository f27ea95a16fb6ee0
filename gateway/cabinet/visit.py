"""What a page works with: who visits, how pages look, the API, and ways to respond."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from eventlet import spawn
from eventlet.event import Event
from eventlet.greenthread import GreenThread
from markupsafe import Markup
from werkzeug.wrappers import Request, Response

from gateway.auth import due_first
from gateway.cabinet import cookies
from gateway.cabinet.asked_once import AskedOnce
from gateway.cabinet.attached import FILES, Attached, uploader, without_files
from gateway.cabinet.cookies import Look
from gateway.cabinet.first_pages import REAUTHENTICATION
from gateway.cabinet.forms import FIELD_OF_CODE, FieldOf, FormErrors, field_of
from gateway.cabinet.rendering import render
from gateway.cabinet.sealing import Sealer
from gateway.concurrently import all_of
from gateway.messages import field_text, text_of
from gateway.operations import Access, Call, Operation, Person, Reply, ServiceCalls
from gateway.problems import Refusal, refusal_of
from gateway.reading import loaded
from gateway.schemas.base import instance_of
from gateway.translation import translations
from shared.config import Settings
from shared.distant_clock import ServiceClocks
from shared.errors import ServiceError, Unavailable
from shared.ids import new_id
from shared.visible_text import harmless

R = TypeVar("R")

NOTICE_SECONDS = 120
"""How long a notice waits for the page that shows it."""
BESIDE_SECONDS = 0.3
"""How long a page waits for what it can do without: the number of unread answers, from when it
begins to ask others, and what is to be said of letters."""
PAGE_SECONDS = 15.0
"""How long a page may take: an old telephone gives up soon after, and shows nothing honest."""

_OWN_PATH = re.compile(r"/(?!/)[^\\\x00-\x1f\x7f-\x9f]*")
"""Browsers read a backslash as a slash and drop tabs and ends of lines: with one of them a path
could lead to another site, or end the header that it stands in."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The API refused a form; ``errors`` go back onto the page."""

    errors: FormErrors


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One request of a page, checked: its session, its CSRF token, its fields."""

    request: Request
    service: Any
    settings: Settings
    clocks: ServiceClocks
    """By which instants of the services are compared with the present, never by the machine's."""
    sealer: Sealer
    ip: str
    visitor: str
    """What CSRF tokens are bound to: a random value in a cookie, changed at each log-in."""
    look: Look
    language: str
    person: Person | None = None
    token: str = field(default="", repr=False)
    path: Mapping[str, Any] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Posted fields; on a page shown again after a log-in, what had been typed before."""
    command_id: UUID = field(default_factory=new_id)
    one_click: bool = False
    """Whether a mail program has posted, not a person: it comes without cookies, and says why."""
    notice: str = ""
    answers: dict[str, Event] = field(default_factory=dict, repr=False)
    """What this request has asked the services for; see AskedOnce."""
    unread: GreenThread | None = field(default=None, repr=False)
    """Counts unread answers of the help desk, beside what the page itself asks for."""
    ends_at: float = field(default_factory=lambda: time.monotonic() + PAGE_SECONDS)
    """The moment, on the monotonic clock, after which no service is waited for."""

    # --- words --------------------------------------------------------------------------------

    def text(self, russian: str) -> str:
        """Return a text of the pages in the visitor's language."""
        return translations(self.language).gettext(russian)

    def message(self, code: str, kind: str = "validation", **params: Any) -> str:
        """Return what the catalogue of the API says of a code."""
        return text_of(code, kind, self.language, params)

    # --- the API ------------------------------------------------------------------------------

    def api(
        self,
        endpoint: Any,
        *,
        path: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> Any:
        """Run an operation of the API in this process and return its answer's data.

        ``endpoint`` is a method of the classes in gateway.routes. Body and query pass the shapes
        of the operation, the answer passes its own, as they do over HTTP. Raises Refusal and
        ServiceError like the operation.
        """
        operation: Operation = endpoint.operation
        call = Call(
            request=self._speaking_request(),
            services=self.services,
            ip=self.ip,
            command_id=self.command_id,
            path=path or {},
            query=loaded(operation.query, dict(query or {}), "parameter"),
            body=loaded(operation.body, body, "pointer") if operation.body else {},
            person=self.person,
        )
        result = endpoint.handler(self.service, call)
        if isinstance(result, Response):
            return result
        data = result.data if isinstance(result, Reply) else result
        return instance_of(operation.result).dump(data) if operation.result else None

    def attempt(
        self,
        endpoint: Any,
        *,
        path: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        fields: FieldOf = field_of,
        says: Mapping[str, str] | None = None,
    ) -> Any:
        """Run an operation for a form: its data, or Refused with the words for the page.

        ``says`` has the words of this form for a field that the API's shape refuses: what to
        enter, not what is wrong in JSON. Only what the person can put right comes back so; a
        missing session, an absent service and a defect are raised, and become pages of their own.
        """
        try:
            return self.api(endpoint, path=path, query=query, body=body)
        except Refusal as refusal:
            return self.refused(refusal, fields, says or {})
        except Unavailable:
            raise
        except ServiceError as error:
            return self.refused(refusal_of(error), fields, says or {})

    def refused(
        self,
        refusal: Refusal,
        fields: FieldOf = field_of,
        says: Mapping[str, str] | None = None,
    ) -> Refused:
        """Return a refusal in words; raises it where no form can put it right."""
        if refusal.status >= 500 or refusal.code in {"not_signed_in", REAUTHENTICATION}:
            raise refusal
        messages: dict[str, str] = {}
        for error in refusal.errors:
            code, *numbers = error["message"].split(" ")
            name = fields(error.get("pointer") or error.get("parameter") or "")
            words = (says or {}).get(name) or field_text(code, self.language, numbers)
            messages.setdefault(name, words)
        text = text_of(refusal.code, refusal.kind, self.language, refusal.params)
        if refusal.code in FIELD_OF_CODE and not messages:
            messages[FIELD_OF_CODE[refusal.code]] = text
        return Refused(
            errors=FormErrors(
                code=refusal.code,
                text=text,
                fields=messages,
                status=refusal.status,
                params=refusal.params,
            )
        )

    def together(self, *reads: Callable[[], Any]) -> list[Any]:
        """Run reads side by side; the first error is raised."""
        return all_of(reads)

    def aside(self, read: Callable[[], R]) -> Callable[[], R | None]:
        """Return a read that gives None where its service does not answer."""

        def careful() -> R | None:
            try:
                return read()
            except ServiceError:
                return None

        return careful

    def beside_unread(self, show: Callable[[Visit], Response]) -> Response:
        """Return a page, while the unread answers are counted for its tabs, where it has some."""
        if not self.has_tabs:
            return show(self)
        unread = spawn(copy_context().run, self._read_unread)
        response = show(replace(self, unread=unread))
        unread.cancel()  # where the page led elsewhere, before anybody was asked
        return response

    def unread_answers(self) -> int:
        """Return how many answers the person has not opened; 0 where nobody tells in time."""
        found: int = self._read_unread() if self.unread is None else self.unread.wait()
        return found

    @property
    def has_tabs(self) -> bool:
        """Whether the tabs of the cabinet are shown: to whoever may go where they lead."""
        person = self.person
        return person is not None and due_first(person, Access.SIGNED_IN) is None

    def _read_unread(self) -> int:
        if self.person is None:
            return 0
        services, person_id = self.services, self.person.person_id
        read = self.aside(
            lambda: services.call(
                "helpdesk", "unread", deadline=BESIDE_SECONDS, person_id=person_id
            )
        )
        found = read()
        return int(found["unread"]) if found else 0

    @property
    def services(self) -> ServiceCalls:
        return AskedOnce(
            self.service.services,
            self.answers,
            self.ends_at,
            self.service.settings.page_read_seconds,
        )

    # --- responses ----------------------------------------------------------------------------

    def render(self, template: str, *, status: int = 200, **data: Any) -> Response:
        """Return a page. ``errors`` among the data makes it one that puts a form right."""
        errors = data.setdefault("errors", None)
        if errors is not None and status == 200:
            status = errors.status if errors.status in (409, 429) else 422
        html = render(template, self, data)
        response = Response(html, status=status, content_type="text/html; charset=utf-8")
        response.headers["Content-Language"] = self.language
        response.headers["Cache-Control"] = "no-store"
        if errors is not None and "retry_after_seconds" in errors.params:
            response.headers["Retry-After"] = str(errors.params["retry_after_seconds"])
        return response

    def redirect(self, to: str, notice: str = "") -> Response:
        """Go on to a page of ours (303) that begins with a notice."""
        response = Response(status=303, headers={"Location": to, "Cache-Control": "no-store"})
        if notice:
            sealed = self.sealer.seal("notice", notice)
            cookies.keep(response, cookies.NOTICE, sealed, seconds=NOTICE_SECONDS)
        return response

    def csrf(self) -> str:
        """Return a token for a form on this page."""
        return self.sealer.csrf_token(self.visitor)

    @property
    def person_mark(self) -> str:
        """What marks the forms of whoever is signed in; "" for nobody."""
        return self.sealer.person_mark(self.person.person_id) if self.person else ""

    def is_own_mark(self, mark: str) -> bool:
        """Return whether a form was marked for this person, or for nobody."""
        if not mark:
            return True
        return self.person is not None and self.sealer.is_person_mark(self.person.person_id, mark)

    @property
    def attached(self) -> Attached:
        """The files that go with the form of this visit."""
        return Attached(self.sealer, self.form)

    @property
    def uploader(self) -> str:
        """What lets the form of this page send files, also after the end of the session."""
        return uploader(self.sealer, self.person.person_id, self.token) if self.person else ""

    def file_errors(self) -> FormErrors | None:
        """Return what to say of the files that were not taken with the form; None of none."""
        refused = self.attached.refused
        if not refused:
            return None
        # Names are written in either direction: apart from the sentences, they keep these in order.
        said = Markup("\n").join(
            Markup(self.text("Файл «%(name)s» не приложен."))  # noqa: S704 - a text of ours
            % {"name": Markup("<bdi>%s</bdi>") % harmless(each.name)}
            + f" {self.message(each.code, each.kind, **each.params)}"
            for each in refused
        )
        return FormErrors(code=refused[0].code, text=said, fields={FILES: said})

    def keeping_files(self, errors: FormErrors) -> Visit:
        """Return this visit with the files of its form, unless the help desk has lost one."""
        lost = errors.code == "attachment_unknown"
        return self.with_form(without_files(self.form)) if lost else self

    def with_form(self, form: Mapping[str, str]) -> Visit:
        """Return this visit with other fields typed in."""
        return replace(self, form=form)

    def public_url(self, path: str) -> str:
        """Return a path of ours as the address by which others reach it."""
        return self.settings.url + path

    @property
    def here(self) -> str:
        """The path of this page with its query, to come back to."""
        return self.request.full_path.rstrip("?")

    def _speaking_request(self) -> Request:
        """Return the request as the API reads it: in the language of the page."""
        environ = {**self.request.environ, "HTTP_ACCEPT_LANGUAGE": self.language}
        return Request(environ)


def own_path(address: str) -> str:
    """Return a path of our own site; "/" for anything that leads elsewhere or is no address."""
    return address if _OWN_PATH.fullmatch(address) else "/"


def each(items: Sequence[Any], read: Callable[[Any], R]) -> list[Callable[[], R]]:
    """Return one read for each item, for Visit.together."""
    return [partial(read, item) for item in items]
