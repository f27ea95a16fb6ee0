"""The entrypoint of pages, and the way of a request: cookies, session, CSRF, fields, errors.

GET shows, POST does. A POST is refused unless it comes from a page of ours: its token belongs to
the visitor, its Origin is ours, and no browser says that another site sent it. The one exception
is what mail programs send to the address in a letter.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from gateway.auth import due_first, person_of_token
from gateway.cabinet import cookies
from gateway.cabinet.cookies import Look
from gateway.cabinet.errors import error_page, failure_page
from gateway.cabinet.first_pages import FIRST, REAUTHENTICATION, WITHOUT_FORM
from gateway.cabinet.form_files import MULTIPART, FormWithFiles
from gateway.cabinet.forms import (
    COMMAND,
    CSRF,
    KEPT,
    PERSON,
    check_own_form,
    is_one_click,
    posted_fields,
)
from gateway.cabinet.policy import secure_page
from gateway.cabinet.sealing import Sealer
from gateway.cabinet.visit import NOTICE_SECONDS, Visit
from gateway.handling import BODY, CALLER, CONTEXT
from gateway.messages import language_of
from gateway.operations import PATH_PARTS, Access, template_of
from gateway.problems import Refusal
from gateway.routes.second_factors import SecondFactorRoutes
from gateway.web import ANY_OTHER_PATH, CLIENT_KEY, CLOCKS_KEY, SETTINGS_KEY, UNMATCHED, Route
from shared import context
from shared.config import Settings
from shared.distant_clock import ServiceClocks
from shared.ids import NAMESPACE, derived_id, new_id

Handler = Callable[[Any, Visit], Response]

KEPT_SECONDS = 3600
"""How long a form waits, encrypted in the browser, for its writer to log in again."""
FIELDS = "saldo.fields"
"""Key of the WSGI environment: the fields of a form whose files were passed on."""
SECRET_FIELDS = frozenset(
    {"password", "current_password", "new_password", "code", "credential", "proof"}
)
"""Fields that are never kept over a log-in."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One address of the cabinet and what it takes to come here."""

    method: str
    path: str
    access: Access = Access.SIGNED_IN
    shown_by: str = ""
    """Of a POST: the path of the page that shows its form, where it is another one."""
    greets: bool = False
    """A public page that knows who is signed in, if anybody is."""
    plain: bool = False
    """No page of a person's: a static file, with headers of its own and no cookie."""
    reauthenticated: bool = False
    """Of a GET: its form needs the second step within the last minutes, where there is one."""
    takes_file: bool = False
    """Of a POST: its form has a field for a file, and comes as multipart/form-data."""
    bare: bool = False
    """Without the tabs of the cabinet: it answers with a part of a page, or leads elsewhere."""
    takes_attachments: bool = False
    """Of a POST: its form brings files for the help desk, which are passed on as they come."""
    one_click: bool = False
    """Of a POST: mail programs send it, too (RFC 8058). What it does, its address alone allows."""

    @property
    def is_fallback(self) -> bool:
        """Whether this is the page for every address that is no other page's."""
        return self.path == ANY_OTHER_PATH

    @property
    def has_tabs(self) -> bool:
        """Whether a person who is signed in sees the tabs here; files have none."""
        ending = "." in self.path.rpartition("/")[2]
        return self.method == "GET" and not (self.plain or self.bare or ending)

    @cached_property
    def template(self) -> str:
        """The path as the metrics write it; strange addresses must not create series."""
        return UNMATCHED if self.is_fallback else template_of(self.path)


def page(
    method: str,
    path: str,
    *,
    access: Access = Access.SIGNED_IN,
    shown_by: str = "",
    greets: bool = False,
    plain: bool = False,
    reauthenticated: bool = False,
    takes_file: bool = False,
    bare: bool = False,
    takes_attachments: bool = False,
    one_click: bool = False,
) -> Callable[[Handler], Handler]:
    """Make a method of the gateway a page. It takes a Visit and returns a Response."""
    described = Page(
        method=method,
        path=path,
        access=access,
        shown_by=shown_by,
        greets=greets,
        plain=plain,
        reauthenticated=reauthenticated,
        takes_file=takes_file,
        bare=bare,
        takes_attachments=takes_attachments,
        one_click=one_click,
    )

    def decorate(handler: Handler) -> Handler:
        def endpoint(service: Any, request: Request, values: Mapping[str, Any]) -> Response:
            return respond(described, handler, service, request, values)

        endpoint.__name__ = handler.__name__
        endpoint.__doc__ = handler.__doc__
        endpoint.page = described  # type: ignore[attr-defined]
        endpoint.handler = handler  # type: ignore[attr-defined]
        return PageRoute.decorator(described)(endpoint)  # type: ignore[no-any-return]

    return decorate


@lru_cache(maxsize=1)
def _pages(gateway: Any) -> tuple[Map, Mapping[str, Handler]]:
    """Return the addresses that show a page, and its handler by name."""
    rules, handlers = [], {}
    for name in dir(gateway):
        found = getattr(gateway, name)
        described = getattr(found, "page", None)
        if not isinstance(described, Page) or described.is_fallback:
            continue
        if described.method == "GET":
            rules.append(Rule(described.path, endpoint=name, methods=["GET"]))
            handlers[name] = found.handler
    return Map(rules, converters=PATH_PARTS), handlers


def page_at(service: Any, path: str) -> tuple[Handler, Mapping[str, Any]] | None:
    """Return the handler that shows an address, and its path's values; None where none does."""
    rules, handlers = _pages(service.__class__)
    try:
        name, values = rules.bind("cabinet").match(path, method="GET")
    except HTTPException:
        return None
    return handlers[name], values


class PageRoute(Route):
    """The entrypoint of a page: the API's, with pages for problem documents."""

    def __init__(self, described: Page, **kwargs: Any) -> None:
        super().__init__(described, **kwargs)

    def receive(self, request: Request, settings: Settings) -> None:
        """Read the body; of a form with files the fields, and pass its files on as they come."""
        described = self.operation
        attaching = isinstance(described, Page) and described.takes_attachments
        if not attaching or request.mimetype != MULTIPART:
            super().receive(request, settings)
            return
        check_own_form(request, settings)
        config = self.container.config
        sealer = Sealer(settings, config[CLOCKS_KEY].of_gateways)
        form = FormWithFiles(request, config[CLIENT_KEY], sealer, settings)
        request.environ[FIELDS] = form.read()
        if form.is_whole:
            request.environ[BODY] = b""

    def refusal_response(self, request: Request, refusal: Refusal) -> Response:
        """Return what was refused before a worker had the request: an unreadable body."""
        config = self.container.config
        visit = _anonymous(request, None, config[SETTINGS_KEY], config[CLOCKS_KEY])
        return secure_page(request, error_page(visit, refusal), visit.settings)


def respond(
    described: Page, handler: Handler, service: Any, request: Request, values: Mapping[str, Any]
) -> Response:
    """Return the response of a page, whatever goes wrong on the way."""
    with context.bind(**request.environ[CONTEXT]):
        visit = _anonymous(request, service, service.settings, service.clocks)
        visit = replace(visit, path=values)
        if described.plain:
            return handler(service, visit)
        try:
            visit = _with_fields(described, visit)
            visit = _with_person(described, visit)
            response = _shown(described, handler, visit)
        except _Elsewhere as elsewhere:
            response = elsewhere.response
        except Exception as error:  # noqa: BLE001 - the one error handler of pages; it logs
            response = failure_page(visit, error, described.template)
        _keep_cookies(visit, response)
        return secure_page(request, response, visit.settings)


class _Elsewhere(Exception):  # noqa: N818 - not an error: the way goes on another page
    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def _anonymous(request: Request, service: Any, settings: Settings, clocks: ServiceClocks) -> Visit:
    look, sealer = Look.of(request), Sealer(settings, clocks.of_gateways)
    sealed = request.cookies.get(cookies.NOTICE, "")
    notice = sealer.unseal("notice", sealed, seconds=NOTICE_SECONDS) if sealed else None
    return Visit(
        request=request,
        service=service,
        settings=settings,
        clocks=clocks,
        sealer=sealer,
        ip=request.environ.get(CALLER, ""),
        visitor=request.cookies.get(cookies.VISITOR) or secrets.token_urlsafe(16),
        look=look,
        language=look.language or language_of(request.accept_languages),
        token=request.cookies.get(cookies.SESSION, ""),
        query=request.args.to_dict(),
        notice=notice if isinstance(notice, str) and request.method == "GET" else "",
    )


def _with_fields(described: Page, visit: Visit) -> Visit:
    """Return the visit with what was posted. Raises Refusal 403 for a form of another site."""
    if described.method != "POST":
        return visit
    request = visit.request
    if described.one_click and is_one_click(request, request.environ[BODY]):
        return replace(visit, one_click=True)
    check_own_form(request, visit.settings)
    fields: dict[str, str] | None = request.environ.get(FIELDS)
    if fields is None:
        fields = posted_fields(request, request.environ[BODY], files=described.takes_file)
    return visit.with_form(fields)


def _outdated(described: Page, visit: Visit) -> Response | None:
    """Return the page again for a form whose token is old, filled in; None where it is right.

    The token of a page that was open before a log-in or a log-out elsewhere does not fit any more.
    Without an Origin nobody says that the form is ours, so it is only refused; so is the form of
    another person of the same browser, whose words stay his own.
    """
    if described.method != "POST" or visit.one_click:
        return None
    if visit.sealer.is_csrf_token(visit.visitor, visit.form.get(CSRF, "")):
        return None
    found = page_at(visit.service, _shown_at(described, visit))
    strange = not visit.is_own_mark(visit.form.get(PERSON, ""))
    if found is None or strange or "Origin" not in visit.request.headers:
        raise Refusal(403, "form_outdated")
    handler, values = found
    notice = visit.text("Страница устарела. Всё введённое на месте: нажмите ещё раз.")
    response = handler(visit.service, replace(visit, path=values, query={}, notice=notice))
    return _with_status(response, 403)


def _shown_at(described: Page, visit: Visit) -> str:
    return described.shown_by.format_map(visit.path) or visit.request.path


def _with_person(described: Page, visit: Visit) -> Visit:
    """Return the visit with who is signed in; leads to the log-in where nobody is."""
    if described.access is Access.PUBLIC and not described.greets:
        return visit
    try:
        person = person_of_token(visit.token, visit.services)
    except Refusal:
        if described.access is Access.PUBLIC:
            return visit
        raise _Elsewhere(_log_in_first(described, visit)) from None
    return replace(visit, person=person)


def _shown(described: Page, handler: Handler, visit: Visit) -> Response:
    """Return what the page responds, or the page that comes first."""
    try:
        if visit.person is not None and (due := due_first(visit.person, described.access)):
            raise due
        if described.reauthenticated and visit.api(SecondFactorRoutes.reauthentication)["required"]:
            raise Refusal(403, REAUTHENTICATION)
        return _outdated(described, visit) or _handled(described, handler, visit)
    except Refusal as refusal:
        if refusal.code not in FIRST:
            raise
        return _first(described, visit, refusal.code)


def _first(described: Page, visit: Visit, code: str) -> Response:
    """Lead to a page that comes first; what was typed waits there, as at the log-in."""
    path = FIRST[code]
    if path in WITHOUT_FORM:
        return visit.redirect(path)
    if described.method != "POST":
        return visit.redirect(path + "?" + urlencode({"next": visit.here}))
    found = page_at(visit.service, path)
    if found is None:
        raise Refusal(403, code)
    handler, _ = found
    waiting = {KEPT: _kept(described, visit), "_next": _shown_at(described, visit)}
    response = handler(visit.service, replace(visit, form=waiting, query={}))
    response.status_code = 403
    return response


def _log_in_first(described: Page, visit: Visit) -> Response:
    """Lead to the log-in; what was typed waits there, encrypted, and is not sent."""
    if described.method != "POST":
        return visit.redirect("/?" + urlencode({"next": visit.here}))
    kept = _kept(described, visit)
    next_ = _shown_at(described, visit)
    return visit.render("log_in.html", status=401, kept=kept, next=next_, ended=True)


def _kept(described: Page, visit: Visit) -> str:
    """Return what was typed, encrypted, with the page that shows it again."""
    typed = {
        name: value
        for name, value in visit.form.items()
        if name not in SECRET_FIELDS and not name.startswith("_")
    }
    shown_at, whose = _shown_at(described, visit), visit.form.get(PERSON, "")
    return visit.sealer.seal("kept", {"path": shown_at, "fields": typed, "person": whose})


def _handled(described: Page, handler: Handler, visit: Visit) -> Response:
    owner = UUID(visit.person.person_id) if visit.person else derived_id(NAMESPACE, visit.visitor)
    key = visit.form.get(COMMAND, "")
    command_id = derived_id(owner, described.method, visit.request.path, key) if key else new_id()
    actor = f"person:{visit.person.person_id}" if visit.person else "anonymous"
    with context.bind(actor=actor, command_id=command_id):
        shown = partial(handler, visit.service)
        visit = replace(visit, command_id=command_id)
        return visit.beside_unread(shown) if described.has_tabs else shown(visit)


def _keep_cookies(visit: Visit, response: Response) -> None:
    being_set = "".join(response.headers.getlist("Set-Cookie"))
    if cookies.VISITOR not in visit.request.cookies and cookies.VISITOR not in being_set:
        cookies.keep(response, cookies.VISITOR, visit.visitor)
    if visit.notice and response.status_code == 200:
        cookies.drop(response, cookies.NOTICE)


def waiting_form(visit: Visit, sealed: str, person_id: str) -> Mapping[str, Any] | None:
    """Return a form that waits for a person; None for one that another had typed.

    Two may share a device: what the first one typed is not for the eyes of the second.
    """
    kept = visit.sealer.unseal("kept", sealed, seconds=KEPT_SECONDS) if sealed else None
    if kept is None or not visit.sealer.is_person_mark(person_id, str(kept.get("person"))):
        return None
    found: Mapping[str, Any] = kept
    return found


def shown_again(
    service: Any, visit: Visit, kept: Mapping[str, Any], token: str, visitor: str
) -> Response:
    """Return the page of a form that waited for a log-in: filled in, not sent."""
    path, fields = str(kept["path"]), {str(k): str(v) for k, v in kept["fields"].items()}
    found = page_at(service, path)
    if found is None:
        return visit.redirect(path)
    handler, values = found
    person = person_of_token(token, visit.services)
    again = replace(
        visit, person=person, token=token, visitor=visitor, form=fields, path=values, query={}
    )
    return _with_status(handler(service, again), 200)


def _with_status(response: Response, status: int) -> Response:
    """Return a page with another status; a redirect stays one, it has nothing to show."""
    if not response.location:
        response.status_code = status
    return response
