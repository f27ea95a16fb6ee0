"""Texts for success and for what is under way (S26)."""

from __future__ import annotations

NOTICES = {
    "registration_started": {
        "ru": "Код отправлен на указанную почту. Введите его и поставьте обе галочки; если письма "
        "нет, проверьте папку «Спам» или нажмите «Выслать код заново».",
        "en": "A code has been sent to the address. Enter it and tick both boxes; no e-mail? Look "
        "into spam or have it sent again.",
    },
    "registration_confirmed": {
        "ru": "Регистрация подтверждена. Временный пароль и инструкция отправлены на почту: "
        "войдите с ним и сразу смените его.",
        "en": "The registration is confirmed. A temporary password and the instruction are on "
        "their way by e-mail: sign in with it and change it at once.",
    },
    "password_reset_requested": {
        "ru": "Если такой адрес зарегистрирован, на него отправлена ссылка. Откройте её и задайте "
        "новый пароль; если письма нет, проверьте папку «Спам».",
        "en": "If the address is registered, a link has been sent to it. Open it and set a new "
        "password; no e-mail? Look into spam.",
    },
    "email_change_requested": {
        "ru": "Письма со ссылками отправлены на новый и на прежний адрес. Откройте обе; если "
        "письма нет, проверьте папку «Спам».",
        "en": "E-mails with links are on their way to the new and to the old address. Open both; "
        "no e-mail? Look into spam.",
    },
    "email_change_requested_with_delay": {
        "ru": "Письмо со ссылкой отправлено на новый адрес: откройте её. Адрес сменится через три "
        "дня, если с прежнего не откажутся.",
        "en": "Open the link in the e-mail to the new address. The address changes in three days "
        "unless the old one refuses.",
    },
    "email_change_cancelled": {
        "ru": "Смена адреса отменена. Ссылки из писем больше не подойдут.",
        "en": "The change of address is cancelled. The links of its e-mails no longer work.",
    },
    "email_change_changed": {
        "ru": "Адрес изменён. Теперь входите с новым адресом; на других устройствах вход завершён.",
        "en": "The address is changed. Log in with the new one from now on; other devices are "
        "logged out.",
    },
    "email_change_waits_for_new": {
        "ru": "Прежний адрес подтвердил смену. Откройте ссылку из письма на новый адрес.",
        "en": "The old address has confirmed. Open the link in the e-mail to the new one.",
    },
    "email_change_waits_for_old": {
        "ru": "Новый адрес подтверждён. Откройте ссылку из письма на прежний адрес.",
        "en": "The new address is confirmed. Open the link in the e-mail to the old one.",
    },
    "email_change_waits_for_time": {
        "ru": "Новый адрес подтверждён. Он вступит в силу не раньше чем через три дня после "
        "запроса, если с прежнего не откажутся.",
        "en": "The new address is confirmed. It takes effect no earlier than three days after "
        "the request, unless the old one refuses.",
    },
    "email_change_refused": {
        "ru": "Смена адреса отменена. Если её начали не Вы, сразу смените пароль.",
        "en": "The change of address is refused. If you did not start it, change your password at "
        "once.",
    },
    "letters_chosen": {
        "ru": "Сохранено. Следующие письма придут так, как Вы выбрали.",
        "en": "Saved. The next e-mails come as you have chosen.",
    },
    "unsubscribed": {
        "ru": "Такие письма отключены. Включить их снова можно в настройках, раздел «Письма».",
        "en": "Such e-mails are switched off. Switch them on again in the settings, “E-mails”.",
    },
    "password_changed": {
        "ru": "Пароль изменён. В следующий раз входите с новым паролем и никому его не сообщайте.",
        "en": "The password is changed. Use the new one from now on and never share it.",
    },
    "person_erased": {
        "ru": "Кабинет удалён, и с ним Ваши данные. Последнее письмо об этом отправлено на почту.",
        "en": "The cabinet is erased, and your data with it. The last e-mail about it is on its "
        "way.",
    },
    "passkey_added": {
        "ru": "Ключ доступа добавлен. На других устройствах войдите заново.",
        "en": "The passkey is added. Sign in again on your other devices.",
    },
    "passkey_removed": {
        "ru": "Ключ доступа удалён. Удалите его и на самом устройстве.",
        "en": "The passkey is removed. Delete it on the device itself, too.",
    },
    "totp_enabled": {
        "ru": "Коды из приложения включены. На других устройствах войдите заново.",
        "en": "The authenticator app is set up. Sign in again on your other devices.",
    },
    "totp_disabled": {
        "ru": "Коды из приложения выключены. Удалите запись Saldo и в приложении.",
        "en": "The authenticator app is removed. Delete the Saldo entry in the app, too.",
    },
    "documents_accepted": {
        "ru": "Спасибо, новая редакция принята. Версия и время сохранены; прочитать её можно внизу "
        "любой страницы.",
        "en": "Thank you, the new version is accepted. Its version and the time are kept; read it "
        "at the foot of any page.",
    },
    "account_linked": {
        "ru": "Лицевой счёт добавлен. Его начисления — на вкладке «Начисления».",
        "en": "The account is linked. Its charges are under “Charges”.",
    },
    "invitation_sent": {
        "ru": "Приглашение отправлено. Ссылка в письме действует неделю и подходит один раз.",
        "en": "The invitation is on its way. The link in the e-mail works once, for a week.",
    },
    "invitation_accepted": {
        "ru": "Лицевой счёт добавлен в Ваш кабинет. Его начисления — на вкладке «Начисления».",
        "en": "The account is in your cabinet. Its charges are under “Charges”.",
    },
    "question_accepted": {
        "ru": "Вопрос принят и передан в отдел. Ответ появится в разделе «Вопрос-Ответ»; о нём "
        "придёт письмо.",
        "en": "The question is accepted and handed to the department. The answer will appear "
        "under “Questions”; an e-mail will tell.",
    },
    "message_accepted": {
        "ru": "Сообщение передано в отдел. Ответ появится в разделе «Вопрос-Ответ»; о нём придёт "
        "письмо.",
        "en": "The message is handed to the department. The answer will appear under “Questions”; "
        "an e-mail will tell.",
    },
    "dispute_approved": {
        "ru": "По Вашему обращению сделан перерасчёт. Его сумма и причина — в начислениях за этот "
        "месяц.",
        "en": "A recalculation was made at your request. Its amount and the reason stand in the "
        "charges of this month.",
    },
    "dispute_rejected": {
        "ru": "Перерасчёт не одобрен, начисление осталось прежним. Если Вы не согласны, напишите "
        "сюда ещё раз.",
        "en": "The recalculation was not approved, the charge stays as it was. If you do not "
        "agree, write here again.",
    },
    "payment_created": {
        "ru": "Страница банка ещё не открылась, карта не тронута. Подождите несколько секунд и "
        "обновите страницу.",
        "en": "The bank's page has not opened yet, the card is not touched. Wait a few seconds and "
        "refresh the page.",
    },
    "payment_awaiting_payment": {
        "ru": "Платёж ожидает оплаты. Введите данные карты на странице банка; если Вы уже "
        "заплатили, подождите подтверждения и не платите ещё раз.",
        "en": "The payment is pending. Enter the card on the bank's page; if you have paid "
        "already, wait for the confirmation and do not pay again.",
    },
    "payment_unknown": {
        "ru": "Банк пока не ответил. Не платите второй раз: если деньги списаны, они зачтутся или "
        "вернутся.",
        "en": "The bank has not answered yet. Do not pay again: if the card was charged, the money "
        "is credited or comes back.",
    },
    "payment_mismatch": {
        "ru": "Банк сообщил другую сумму, чем заказана. Не платите второй раз: деньги зачтутся или "
        "вернутся.",
        "en": "The bank reports another sum than was ordered. Do not pay again: the money is "
        "credited or comes back.",
    },
    "payment_captured": {
        "ru": "Деньги списаны. Платёж вот-вот появится на лицевом счёте, квитанция придёт на "
        "почту: платить ещё раз не нужно.",
        "en": "The card has been charged. The payment will be on the account in a moment and the "
        "receipt comes by e-mail: do not pay again.",
    },
    "payment_completed": {
        "ru": "Платёж проведён. Квитанция отправлена на почту; платёж виден в «Платежи-История "
        "платежей».",
        "en": "The payment is complete. The receipt has been sent by e-mail; the payment is in "
        "the history.",
    },
    "payment_partly_refunded": {
        "ru": "Часть денег вернулась на карту. Когда их будет видно, скажет банк карты; остальное "
        "осталось на лицевых счетах.",
        "en": "A part of the money went back to the card. Its bank says when it shows; the rest "
        "stayed on the accounts.",
    },
    "payment_refunded": {
        "ru": "Деньги вернулись на карту. Когда их будет видно, скажет банк карты.",
        "en": "The money went back to the card. Its bank says when it shows.",
    },
    "payment_failed": {
        "ru": "Платёж не прошёл. По данным банка, деньги не списаны или уже возвращены: проверьте "
        "карту и начните новый платёж.",
        "en": "The payment did not go through. By the bank's account nothing was charged or all "
        "was returned: check the card, start anew.",
    },
    "payment_expired": {
        "ru": "Время на оплату вышло. По данным банка, деньги не списаны: начните новый платёж.",
        "en": "The time to pay is over. By the bank's account nothing was charged: start a new "
        "payment.",
    },
}
