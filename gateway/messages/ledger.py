"""Texts for the codes of the ledger: penalties, proofs."""

from __future__ import annotations

LEDGER = {
    "bill_not_issued": {
        "ru": "Счёт за этот месяц ещё не выставлен. Выставленные счета — на странице «Начисления».",
        "en": "The bill of this month has not been issued yet. Those that have been are under "
        "“Charges”.",
    },
    "invalid_days": {
        "ru": "Первый день позже последнего. Поменяйте их местами.",
        "en": "The first day is after the last one. Put them the other way round.",
    },
    "invalid_day": {
        "ru": "Этот день не подходит. Проверьте год и число и укажите другой день.",
        "en": "This day is not valid. Check its year and date, and give another.",
    },
    "account_in_debt": {
        "ru": "На этот день есть долг, поэтому справки об отсутствии задолженности нет. Оплатите "
        "долг или возьмите справку о задолженности.",
        "en": "Something is owed on this day, so that there is no certificate of no debt. Pay the "
        "debt, or take a certificate of it.",
    },
    "account_not_in_debt": {
        "ru": "На этот день долга нет. Возьмите справку об отсутствии задолженности.",
        "en": "Nothing is owed on this day. Take the certificate of no debt.",
    },
    "too_many_movements": {
        "ru": "За эти дни слишком много движений для одного акта. Выберите меньше дней.",
        "en": "There are too many movements in these days for one act. Choose fewer days.",
    },
    "invalid_period": {
        "ru": "Это не месяц. Укажите его так: 2026-03.",
        "en": "This is not a month. Write it like 2026-03.",
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
    "event_not_found": {
        "ru": "Такой записи в журнале нет. Проверьте её номер.",
        "en": "The log has no such entry. Check its position.",
    },
    "checkpoint_not_found": {
        "ru": "Такой контрольной точки нет. Выберите её из списка.",
        "en": "There is no such checkpoint. Choose one from the list.",
    },
    "proof_unreadable": {
        "ru": "Это не доказательство из квитанции. Скопируйте его целиком, от «{{» до «}}».",
        "en": "This is not the proof of a receipt. Copy the whole of it, from “{{” to “}}”.",
    },
    "proof_does_not_hold": {
        "ru": "Доказательство не сходится: в нём что-то изменено, или его выдали не мы. Возьмите "
        "его из квитанции ещё раз.",
        "en": "The proof does not hold: something in it was changed, or it is not ours. Take it "
        "from the receipt again.",
    },
    "not_sealed_yet": {
        "ru": "Запись ещё не запечатана. Повторите через минуту.",
        "en": "The entry is not sealed yet. Ask again in a minute.",
    },
}
