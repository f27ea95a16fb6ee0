"""Templates to HTML: the Jinja environment, and what every template can use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache, partial
from gettext import NullTranslations
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gateway.cabinet.markdown import coded, prose
from gateway.cabinet.static import static_path
from gateway.documents.payment_code import qr_svg
from gateway.translation import translations
from shared import formats
from shared.devices import device_name
from shared.ids import new_id
from shared.visible_text import harmless

TABS = (
    ("/accounts", "Лицевые"),
    ("/charges", "Начисления"),
    ("/pay", "Платежи-Оплатить"),
    ("/payments", "Платежи-История платежей"),
    ("/settings", "Настройки"),
    ("/questions", "Вопрос-Ответ"),
)
"""The tabs of the seed, in its words and its order (S16)."""


@lru_cache(maxsize=2)
def environment(language: str) -> Environment:
    """Return the environment of a language: autoescaping, and strict about names."""
    made = Environment(
        loader=PackageLoader("gateway.cabinet"),
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printed,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    catalogue = translations(language)
    made.install_gettext_callables(  # type: ignore[attr-defined]
        catalogue.gettext, catalogue.ngettext, newstyle=True
    )
    made.globals["_"] = made.globals["gettext"] = _texts_of(catalogue)
    made.filters.update(
        roubles=partial(_in_language, formats.roubles, language),
        typed_roubles=partial(_in_language, formats.typed_roubles, language),
        decimal=partial(_in_language, formats.decimal, language),
        day=partial(_in_language, formats.day, language),
        typed_day=formats.typed_day,
        coded=coded,
        prose=prose,
        device=device_name,
        qr=_qr,
        size=partial(_in_language, formats.size, language),
        month=partial(_in_language, formats.month, language),
        unit=partial(_in_language, formats.unit, language),
    )
    made.globals.update(
        tabs=TABS,
        static=static_path,
        new_id=new_id,
        plural=lambda number, *forms: formats.plural(number, forms, language),
    )
    return made


def render(template: str, visit: Any, data: Mapping[str, Any]) -> str:
    """Return a page's HTML."""
    made = environment(visit.language)
    zone = visit.settings.timezone
    return made.get_template(template).render(
        visit=visit,
        language=visit.language,
        look=visit.look,
        moment=partial(_moment, zone, visit.language),
        local_day=partial(_local_day, zone, visit.language),
        now=lambda: visit.clocks.of_gateways.now().isoformat(),
        **data,
    )


def _printed(value: Any) -> Any:
    """Return what a template prints: a text is somebody's, its markup was printed before."""
    return harmless(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _moment(zone: str, language: str, value: str, **options: Any) -> str:
    return formats.moment(value, zone, language, **options)


def _local_day(zone: str, language: str, value: str) -> str:
    return formats.day_of(value, zone, language)


def _texts_of(catalogue: NullTranslations) -> Callable[..., Markup]:
    """Return ``_("...")`` of the templates: the text, with its variables escaped and put in.

    Jinja's own formats each text anew, a hundred on a page; most have no variables, and are kept.
    """

    @cache
    def text_of(russian: str) -> Markup:
        return Markup(catalogue.gettext(russian))  # noqa: S704 - a text of ours

    @cache
    def plain_text_of(russian: str) -> Markup:
        return text_of(russian) % {}

    def gettext(russian: str, **variables: Any) -> Markup:
        if not variables:
            return plain_text_of(russian)
        return text_of(russian) % {name: _printed(each) for name, each in variables.items()}

    return gettext


def _qr(text: str) -> Markup:
    return Markup(qr_svg(text, stroked=True))  # noqa: S704 - the paths of a picture, no text


def _in_language(write: Any, language: str, value: Any, **options: Any) -> str:
    text: str = write(value, language, **options)
    return text
