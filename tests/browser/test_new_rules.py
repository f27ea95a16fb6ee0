"""The operator publishes new rules: every person is asked for them once, wherever they are."""

from __future__ import annotations

import pytest

from deploy.demo.person import Person
from tests.browser.instruction import BOTH_TICKS, ask_for_code, confirm, log_in
from tests.browser.site import Site, Visitors

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

RULES = """# Правила предоставления доступа

Редакция действует с 29 ноября 2026 года.

## Что изменилось

- Квитанция о платеже приходит в тот же день (пункт 5.4).
- Вопрос можно задать и без лицевого счёта.

## 1. О чём эти правила

1.1. Как и прежде.
"""


@pytest.mark.parametrize("how", [{"width": 320, "scripts": False}, {"language": "en"}])
def test_new_rules_are_read_and_accepted_on_the_way(
    visitors: Visitors, site: Site, how: dict[str, object]
) -> None:
    person = site.new_person().person
    visitor = visitors.open("new-rules-" + "-".join(map(str, how)), **how)
    visitor.open("/")
    log_in(visitor, person.email, person.own_password)
    visitor.open("/settings")
    visitor.fill(full_name="Образцова Анна")
    with site.published("rules", RULES):
        visitor.click("Сохранить")
        visitor.sees("Новая редакция правил")
        visitor.sees("Всё, что Вы ввели, на месте.")
        assert "Квитанция о платеже приходит в тот же день" in visitor.text
        visitor.look("new-rules")
        visitor.click("Принять и продолжить")
        assert visitor.error_of("accept_rules")
        visitor.look("no-tick")
        visitor.page.locator("#accept_rules").check()
        visitor.click("Принять и продолжить")
        assert visitor.page.locator("#full_name").input_value() == "Образцова Анна"
        visitor.click("Сохранить")
        visitor.sees("Сохранено.")
        visitor.open("/documents/rules")
        visitor.look("rules-with-versions")
    visitor.open("/accounts")
    assert visitor.page.url.endswith("/accounts"), "withdrawn rules are not asked for"


def test_rules_that_come_between_page_and_post_are_shown_first(
    visitors: Visitors, site: Site
) -> None:
    visitor, person = visitors.open("rules-meanwhile"), Person()
    ask_for_code(visitor, site, person)
    with site.published("rules", RULES) as version:
        confirm(visitor, person.code, ticks=BOTH_TICKS)
        visitor.sees("Пока Вы читали, вышла новая редакция.")
        assert visitor.page.locator("#code").input_value() == person.code
        assert not visitor.page.locator("#accept_rules").is_checked()
        assert visitor.page.locator("#consent_personal_data").is_checked()
        assert visitor.page.locator(f"a[href$='rules?version={version}']").count() == 1
        visitor.look("rules-meanwhile")
        visitor.page.locator("#accept_rules").check()
        visitor.click("Подтвердить")
        visitor.sees("ВРЕМЕННЫЙ пароль")
