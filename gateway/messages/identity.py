"""Texts for the codes of identity: registration, signing in, passwords, the profile."""

from __future__ import annotations

IDENTITY = {
    "subscriber_unknown": {
        "ru": "Такого подписчика нет. Отправьте действующий токен подписчика в заголовке "
        "Authorization: Bearer; его выдаёт оператор.",
        "en": "There is no such subscriber. Send a valid token of a subscriber as Authorization: "
        "Bearer; the operator issues it.",
    },
    "wrong_code": {
        "ru": "Код не подходит. Сверьте его с последним письмом (осталось попыток: "
        "{attempts_left}) или нажмите «Выслать код заново».",
        "en": "The code is wrong. Compare it with the latest e-mail ({attempts_left} attempts "
        "left) or have it sent again.",
    },
    "code_expired": {
        "ru": "Срок действия кода истёк. Нажмите «Выслать код заново» и введите код из нового "
        "письма; проверьте и папку «Спам».",
        "en": "The code has expired. Have it sent again and enter the code from the new e-mail; "
        "look into the spam folder too.",
    },
    "code_attempts_used_up": {
        "ru": "Попытки ввода кода исчерпаны. Нажмите «Выслать код заново» и введите код из "
        "нового письма.",
        "en": "This code was tried too often. Have it sent again and enter the code from the new "
        "e-mail.",
    },
    "registration_attempts_used_up": {
        "ru": "Для этой регистрации введено слишком много неверных кодов. Начните регистрацию "
        "сначала.",
        "en": "Too many wrong codes were entered for this registration. Start again.",
    },
    "rules_not_accepted": {
        "ru": "Не поставлена галочка «Я согласен(на) с правилами предоставления доступа». "
        "Прочитайте правила и поставьте её.",
        "en": "The rules of access are not accepted. Read them and tick the box.",
    },
    "consent_not_given": {
        "ru": "Нет согласия на обработку персональных данных. Без него кабинет открыть нельзя: "
        "прочитайте текст и поставьте вторую галочку.",
        "en": "The consent to personal-data processing is missing. Without it there is no "
        "cabinet: read the text and tick the second box.",
    },
    "documents_changed": {
        "ru": "Пока Вы читали, вышла новая редакция. Прочитайте её и поставьте галочку ещё раз: "
        "всё остальное на месте.",
        "en": "A new version has come out while you were reading. Read it and tick the box again: "
        "everything else is in its place.",
    },
    "already_registered": {
        "ru": "Этот адрес уже зарегистрирован. Войдите в кабинет или восстановите пароль.",
        "en": "This address is registered already. Sign in or recover the password.",
    },
    "registration_not_found": {
        "ru": "Такой регистрации нет. Начните регистрацию сначала.",
        "en": "There is no such registration. Start again.",
    },
    "registration_exists": {
        "ru": "Эта регистрация уже начата. Введите код из письма.",
        "en": "This registration has been started already. Enter the code from the e-mail.",
    },
    "registration_confirmed": {
        "ru": "Регистрация уже подтверждена. Войдите с временным паролем из письма; если письма "
        "нет, восстановите пароль.",
        "en": "The registration is confirmed already. Sign in with the temporary password from "
        "the e-mail; if there is none, recover the password.",
    },
    "registration_expired": {
        "ru": "Срок регистрации истёк. Начните регистрацию сначала.",
        "en": "The registration has expired. Start again.",
    },
    "too_many_attempts": {
        "ru": "Слишком много попыток. Подождите (секунд: {retry_after_seconds}) и повторите.",
        "en": "Too many attempts. Wait {retry_after_seconds} seconds and try again.",
    },
    "wrong_credentials": {
        "ru": "Адрес или пароль не подходят. Проверьте раскладку и повторите или восстановите "
        "пароль.",
        "en": "The e-mail or the password is wrong. Check the keyboard layout and try again, or "
        "recover the password.",
    },
    "sign_in_by_letter": {
        "ru": "Чужие слишком часто подбирали пароль. Если Ваш верный, мы отправили на почту "
        "письмо: войдите по ссылке из него.",
        "en": "Strangers have tried too many passwords. If yours was right, an e-mail is on its "
        "way to the mailbox: log in by its link.",
    },
    "sign_in_link_expired": {
        "ru": "По этой ссылке уже вошли, или ей больше получаса. Войдите с паролем.",
        "en": "This link was used already, or is older than half an hour. Sign in with the "
        "password.",
    },
    "temporary_password_expired": {
        "ru": "Срок временного пароля истёк. Восстановите пароль: ссылка придёт на Вашу почту.",
        "en": "The temporary password has expired. Recover the password: a link will come by "
        "e-mail.",
    },
    "wrong_current_password": {
        "ru": "Нынешний пароль введён неверно. Введите его ещё раз или восстановите пароль.",
        "en": "The current password is wrong. Enter it again or recover the password.",
    },
    "session_expired": {
        "ru": "Сеанс завершён. Войдите в личный кабинет ещё раз.",
        "en": "The session has ended. Sign in again.",
    },
    "session_not_found": {
        "ru": "Такого сеанса нет: возможно, он уже завершён. Обновите список сеансов.",
        "en": "There is no such session: it may have ended. Refresh the list of sessions.",
    },
    "person_not_found": {
        "ru": "Такой учётной записи нет. Войдите ещё раз или зарегистрируйтесь.",
        "en": "There is no such person. Sign in again or register.",
    },
    "email_invalid": {
        "ru": "Это не адрес электронной почты. Проверьте, нет ли опечатки.",
        "en": "This is not an e-mail address. Check it for typing errors.",
    },
    "password_too_short": {
        "ru": "Пароль слишком короткий. Придумайте не короче {min_length} знаков — например, "
        "фразу.",
        "en": "The password is too short. Choose at least {min_length} characters, a phrase for "
        "example.",
    },
    "password_too_long": {
        "ru": "Пароль слишком длинный. Придумайте не длиннее {max_length} знаков.",
        "en": "The password is too long. Choose at most {max_length} characters.",
    },
    "password_too_common": {
        "ru": "Этот пароль подбирают одним из первых: слово с цифрами или клавиши подряд. Возьмите "
        "фразу из нескольких слов.",
        "en": "This password is among the first to be guessed: a word with digits, or keys in a "
        "row. Take a phrase of several words.",
    },
    "password_has_email": {
        "ru": "В пароле есть Ваш адрес почты. Придумайте другой пароль, например фразу.",
        "en": "The password contains your e-mail address. Choose another, a phrase for example.",
    },
    "password_has_name": {
        "ru": "В пароле есть Ваше имя или название организации. Придумайте другой, например фразу.",
        "en": "The password contains your name or the organisation's. Choose another, a phrase for "
        "example.",
    },
    "password_was_temporary": {
        "ru": "Этот пароль приходил в письме. Придумайте свой.",
        "en": "This password came in an e-mail. Choose one of your own.",
    },
    "password_unchanged": {
        "ru": "Новый пароль совпадает с нынешним. Придумайте другой.",
        "en": "The new password is the current one. Choose another.",
    },
    "email_unchanged": {
        "ru": "Это и есть нынешний адрес кабинета. Укажите другой.",
        "en": "This is the address that the cabinet has. Give another one.",
    },
    "email_taken": {
        "ru": "У этого адреса уже есть свой кабинет. Укажите другой адрес.",
        "en": "This address has a cabinet of its own. Give another one.",
    },
    "email_change_of_staff": {
        "ru": "Доступ к кабинету восстанавливает сотрудник. Отклонить это можно только по ссылке "
        "из письма на прежний адрес.",
        "en": "Our staff are restoring the access to this cabinet. Only the link in the e-mail to "
        "the old address refuses that.",
    },
    "email_link_not_found": {
        "ru": "Эта ссылка уже использована, устарела, или смену отменили. Начните смену адреса "
        "заново в настройках.",
        "en": "This link has been used, is too old, or the change was cancelled. Start the change "
        "again in the settings.",
    },
    "proof_refused": {
        "ru": "Номер счёта или код не подходят. Проверьте их по платёжному документу: счёт должен "
        "быть прикреплён к Вашему кабинету.",
        "en": "The account or the code does not fit. Check them against the bill: the account must "
        "be linked to your cabinet.",
    },
    "password_reset_not_found": {
        "ru": "Эта ссылка уже использована, или ей больше часа. Запросите новую.",
        "en": "This link has been used already or is more than an hour old. Ask for another.",
    },
    "password_reset_exists": {
        "ru": "Восстановление уже начато. Откройте ссылку из письма.",
        "en": "This recovery has been started already. Open the link from the e-mail.",
    },
    "password_reset_completed": {
        "ru": "Это восстановление уже завершено. Войдите с новым паролем или запросите ссылку ещё "
        "раз.",
        "en": "This recovery is completed. Sign in with the new password or ask for a link again.",
    },
    "organisation_missing": {
        "ru": "Не указаны реквизиты организации. Укажите её название, ИНН и КПП.",
        "en": "The organisation's details are missing. Give its name, INN (taxpayer number) and "
        "KPP.",
    },
    "organisation_not_expected": {
        "ru": "У физического лица нет реквизитов организации. Уберите их или выберите «Юр. лицо».",
        "en": "An individual has no organisation. Leave it out or choose “organisation”.",
    },
    "full_name_invalid": {
        "ru": "ФИО не подходит. Укажите от 2 до {max_length} знаков.",
        "en": "The full name is not valid. Give 2 to {max_length} characters.",
    },
    "phone_invalid": {
        "ru": "Номер телефона не подходит. Укажите его с кодом, например +7 916 123-45-67.",
        "en": "The telephone number is not valid. Give it with its code, such as +7 916 123-45-67.",
    },
    "organisation_name_invalid": {
        "ru": "Название организации не подходит. Укажите от 2 до {max_length} знаков.",
        "en": "The organisation's name is not valid. Give 2 to {max_length} characters.",
    },
    "inn_invalid": {
        "ru": "ИНН не проходит проверку. Перепишите его из свидетельства.",
        "en": "The INN (taxpayer number) does not add up. Copy it from the tax certificate.",
    },
    "kpp_invalid": {
        "ru": "КПП не подходит. В нём 9 знаков, например 770101001: проверьте его.",
        "en": "The KPP (tax registration code) does not fit. It has 9 characters, such as "
        "770101001: check it.",
    },
    "kpp_missing": {
        "ru": "Не указан КПП. У организации с таким ИНН он есть: укажите его.",
        "en": "The KPP (tax registration code) is missing. An organisation with this INN has one: "
        "give it.",
    },
    "kpp_not_expected": {
        "ru": "У индивидуального предпринимателя нет КПП. Оставьте поле пустым.",
        "en": "A sole trader has no KPP (tax registration code). Leave the field empty.",
    },
    "document_not_found": {
        "ru": "Такой версии документа нет. Запросите документ без номера версии.",
        "en": "There is no such version of the document. Ask for it without a version.",
    },
}
