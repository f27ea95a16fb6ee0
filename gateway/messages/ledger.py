"""What the ledger says: bills, corrections and their approval, penalties, files, the seal."""

from __future__ import annotations

_BILLS = {
    "account_exists": {
        "ru": "Этот лицевой счёт уже открыт. Пользуйтесь открытым счётом.",
        "en": "This account is open already. Use the one that is open.",
    },
    "invalid_opening": {
        "ru": "Входящее сальдо не подходит. Укажите каждую услугу один раз, без пеней и аванса.",
        "en": "The opening balance is not suitable. Name every service once, and neither penalty "
        "nor advance among them.",
    },
    "period_charged": {
        "ru": "Начисления за {period} уже проведены. Проведите перерасчёт.",
        "en": "The charges of {period} are posted already. Post an adjustment instead.",
    },
    "period_closed": {
        "ru": "Этот месяц закрыт. Проведите исправление в открытом месяце, назвав в нём закрытый.",
        "en": "This month is closed. Post the correction in the open month, naming the closed one.",
    },
    "bill_not_issued": {
        "ru": "Счёт за этот месяц ещё не выставлен. Выставленные счета — на странице «Начисления».",
        "en": "The bill of this month has not been issued yet. Those that have been are under "
        "“Charges”.",
    },
    "invalid_charges": {
        "ru": "Строки начислений не сходятся. Проверьте: к оплате = начислено + перерасчёт − "
        "льгота, каждая услуга одной строкой.",
        "en": "The lines of the bill do not add up. Check that payable = charged + recalculation "
        "- concession, with one line for each service.",
    },
    "invalid_amount": {
        "ru": "Сумма не подходит. Укажите положительную сумму в копейках.",
        "en": "The amount is not suitable. Give a positive sum in kopecks.",
    },
}

_CORRECTIONS = {
    "period_not_charged": {
        "ru": "За {period} начислений нет. Выберите месяц, за который они проведены.",
        "en": "There are no charges of {period}. Choose a month that has its charges posted.",
    },
    "invalid_adjustment": {
        "ru": "Перерасчёт не подходит. Укажите каждую услугу один раз, с суммой не ноль.",
        "en": "The adjustment is not suitable. Name every service once, with a sum other than 0.",
    },
    "service_not_billed": {
        "ru": "В начислениях за этот месяц нет услуги {service}. Снимите сумму с услуги, которая "
        "в них есть.",
        "en": "The charges of this month have no {service}. Take the sum off a service that they "
        "have.",
    },
    "payment_not_posted": {
        "ru": "Этот платёж не проведён по лицевому счёту. Проверьте номер платежа и лицевой счёт.",
        "en": "This payment is not posted to the account. Check the payment and the account.",
    },
    "posted_by_services": {
        "ru": "Такой платёж проводит только сотрудник. Чтобы оплатить самостоятельно, откройте "
        "«Платежи-Оплатить».",
        "en": "Only staff can post such a payment. To pay yourself, open “Payments”.",
    },
    "no_penalty_accrued": {
        "ru": "Пени по этому счёту не начислялись. Сначала начислите их.",
        "en": "No penalty has been accrued on this account. Accrue it first.",
    },
    "penalty_not_owed": {
        "ru": "Пеней меньше, чем предложено списать. Укажите сумму не больше долга по пеням.",
        "en": "Less penalty is owed than is to be written off. Give a sum up to what is owed.",
    },
    "proposal_exists": {
        "ru": "Это исправление уже предложено. Дождитесь решения второго сотрудника.",
        "en": "This correction is proposed already. Wait for a second person to decide.",
    },
    "proposal_not_found": {
        "ru": "Такого предложения нет. Выберите его из списка предложений.",
        "en": "There is no such proposal. Choose one of the list of proposals.",
    },
    "proposal_decided": {
        "ru": "По этому предложению уже есть решение. Если исправление ещё нужно, предложите его "
        "заново.",
        "en": "This proposal has been decided already. If the correction is still needed, propose "
        "it anew.",
    },
    "second_person_needed": {
        "ru": "Своё предложение утвердить нельзя. Попросите об этом другого сотрудника.",
        "en": "You cannot approve what you have proposed. Ask somebody else to do so.",
    },
    "another_correction": {
        "ru": "Предложение — о другом исправлении. Сверьте его со списком предложений.",
        "en": "The proposal is about another correction. Compare it with the list of proposals.",
    },
}

_PENALTIES = {
    "invalid_day": {
        "ru": "Этот день не подходит. Проверьте год и число и укажите другой день.",
        "en": "This day is not suitable. Check its year and date, and give another.",
    },
    "invalid_days": {
        "ru": "Первый день позже последнего. Поменяйте их местами.",
        "en": "The first day is after the last one. Put them the other way round.",
    },
    "invalid_period": {
        "ru": "Это не месяц. Укажите его так: 2026-03.",
        "en": "This is no month. Write it like 2026-03.",
    },
    "no_due_day": {
        "ru": "В правилах пеней нет срока оплаты за {period}. Добавьте его в правила или укажите "
        "срок сами.",
        "en": "The penalty rules name no due day for {period}. Add it to the rules, or name a due "
        "date.",
    },
    "no_key_rate": {
        "ru": "На {day} нет ключевой ставки, поэтому пени не рассчитать. Выберите другой день или "
        "задайте вопрос в разделе «Вопрос-Ответ».",
        "en": "There is no key rate for {day}, so that the penalty cannot be calculated. Choose "
        "another day, or ask in “Questions”.",
    },
    "no_penalty_rule": {
        "ru": "Для просрочки с {day} нет правила, поэтому пени не рассчитать. Задайте вопрос в "
        "разделе «Вопрос-Ответ».",
        "en": "There is no rule for a delay from {day}, so that the penalty cannot be calculated. "
        "Ask in “Questions”.",
    },
    "unknown_charge": {
        "ru": "Оплата отнесена к начислению, которого нет. Укажите одно из начислений.",
        "en": "The payment is for a charge that does not exist. Name one of the charges.",
    },
    "credit_exceeds_charge": {
        "ru": "Оплата больше остатка своего начисления. Уменьшите её или отнесите остальное к "
        "другому начислению.",
        "en": "The payment is more than what is open of its charge. Lower it, or put the rest to "
        "another charge.",
    },
}

_FILES = {
    "control_totals": {
        "ru": "Контрольные суммы не сходятся, ничего не проведено. Сверьте файл и загрузите снова.",
        "en": "The control totals differ, and nothing was posted. Check the file and load it "
        "again.",
    },
    "import_under_way": {
        "ru": "Этот файл уже загружается. Дождитесь конца загрузки.",
        "en": "This file is being loaded already. Wait for the end.",
    },
    "imported_otherwise": {
        "ru": "Этот файл уже загружали с другими условиями. Загрузите его с прежними.",
        "en": "This file was loaded under other terms before. Load it under the same.",
    },
    "opening_posted": {
        "ru": "Входящее сальдо этого счёта уже проведено. Проведите перерасчёт.",
        "en": "The opening balance of this account is posted already. Post an adjustment instead.",
    },
    "invalid_file": {
        "ru": "Файл не читается. Проверьте заголовок и разделители и загрузите его ещё раз.",
        "en": "The file cannot be read. Check its header and separators and load it again.",
    },
    "file_changed": {
        "ru": "Файл изменился во время загрузки, и проведена только часть. Загрузите изменённый "
        "файл.",
        "en": "The file was changed while it was being loaded, and only a part is posted. Load the "
        "changed file.",
    },
    "rebuild_under_way": {
        "ru": "Пересборка уже идёт. Дождитесь её конца.",
        "en": "Another rebuild is under way. Wait for its end.",
    },
}

_SEAL = {
    "nothing_to_seal": {
        "ru": "Журнал пуст: запечатывать нечего. Вернитесь, когда в нём появятся записи.",
        "en": "The log is empty: there is nothing to seal. Come back when it has entries.",
    },
    "event_not_found": {
        "ru": "Такой записи в журнале нет. Проверьте её номер.",
        "en": "The log has no such entry. Check its position.",
    },
    "checkpoint_not_found": {
        "ru": "Такой контрольной точки нет. Выберите её из списка.",
        "en": "There is no such checkpoint. Choose one of the list.",
    },
    "not_sealed_yet": {
        "ru": "Запись ещё не запечатана. Повторите через минуту.",
        "en": "The entry is not sealed yet. Ask again in a minute.",
    },
}

LEDGER = {**_BILLS, **_CORRECTIONS, **_PENALTIES, **_FILES, **_SEAL}
