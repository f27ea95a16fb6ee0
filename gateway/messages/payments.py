"""Texts for the codes of payments."""

from __future__ import annotations

PAYMENTS = {
    "nothing_to_pay": {
        "ru": "Все суммы равны нулю. Введите сумму хотя бы по одному лицевому счёту.",
        "en": "All sums are zero. Enter a sum for at least one account.",
    },
    "negative_amount": {
        "ru": "Сумма не может быть отрицательной. Исправьте её.",
        "en": "A sum cannot be negative. Correct it.",
    },
    "amount_too_large": {
        "ru": "Сумма слишком велика: одним платежом можно внести до {limit:roubles}. Заплатите "
        "частями.",
        "en": "The sum is too large: one payment takes up to {limit:roubles}. Pay it in parts.",
    },
    "too_many_lines": {
        "ru": "В одном платеже может быть до {limit} лицевых счетов. Заплатите остальные отдельно.",
        "en": "One payment covers up to {limit} accounts. Pay the others separately.",
    },
    "duplicate_account": {
        "ru": "Лицевой счёт указан дважды. Оставьте каждый счёт один раз.",
        "en": "An account is named twice. Name every account once.",
    },
    "acquirer_unknown": {
        "ru": "Такого банка для оплаты здесь нет. Выберите другой или не указывайте его.",
        "en": "There is no such bank to pay through here. Choose another one, or name none.",
    },
    "may_not_pay": {
        "ru": "Этот лицевой счёт Вы можете только смотреть. Чтобы платить по нему, попросите "
        "владельца изменить Ваш доступ.",
        "en": "You may only look at this account. To pay it, ask its owner for another access.",
    },
    "payment_open": {
        "ru": "По этим счетам уже открыт платёж, и банк его не закрывает. Завершите его или "
        "подождите, пока он закроется сам.",
        "en": "A payment of these accounts is open, and the bank does not close it. Finish it, or "
        "wait until it closes by itself.",
    },
    "too_many_open_payments": {
        "ru": "Открыто слишком много платежей, больше {limit} начать нельзя. Завершите один из "
        "них в Истории платежей.",
        "en": "Too many payments are open: no more than {limit} may be. Finish one of them in the "
        "payment history.",
    },
    "nothing_to_return": {
        "ru": "Возвращать больше нечего. Обновите страницу платежа: она покажет, что вернулось.",
        "en": "Nothing is left to return. Refresh the page of the payment to see what went back.",
    },
    "payment_not_found": {
        "ru": "Такого платежа среди Ваших нет. Откройте «Платежи-История платежей».",
        "en": "There is no such payment among yours. Open the history of payments.",
    },
    "acquirer_not_found": {
        "ru": "Такого банка здесь нет. Проверьте адрес для уведомлений в его настройках.",
        "en": "There is no such acquirer here. Check the address for callbacks in its settings.",
    },
    "payment_must_be_restarted": {
        "ru": "Платёж не прошёл, деньги не списаны. Начните новый платёж.",
        "en": "The payment did not go through and nothing was charged. Start a new one.",
    },
    "amount_mismatch": {
        "ru": "Списана не та сумма, что заказана. Платить ещё раз не нужно: сотрудники уже "
        "разбираются.",
        "en": "Another amount was charged than was ordered. Do not pay again: the staff are "
        "looking into it.",
    },
    "acquirer_unavailable": {
        "ru": "Банк не отвечает. Повторите тот же запрос через несколько секунд: дважды деньги "
        "не спишутся.",
        "en": "The bank is not responding. Send the same request again in a few seconds: nothing "
        "is charged twice.",
    },
    "callback_forged": {
        "ru": "Подпись уведомления не сходится. Проверьте ключ обратных вызовов.",
        "en": "The signature of the callback is wrong. Check the callback key.",
    },
    "receipt_not_ready": {
        "ru": "Квитанции ещё нет: платёж не подтверждён. Дождитесь подтверждения и повторите.",
        "en": "There is no receipt yet: the payment is not confirmed. Wait for it and try again.",
    },
}
