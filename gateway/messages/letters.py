"""The names of letters by their kind, and texts for the codes of notifications."""

from __future__ import annotations

NOTIFICATIONS = {
    "unsubscribe_link_unknown": {
        "ru": "Такой ссылки мы не присылали. Откройте её из письма целиком или отключите письма в "
        "настройках кабинета, раздел «Письма».",
        "en": "We have sent no such link. Open the whole link from the e-mail, or switch e-mails "
        "off in the settings of the cabinet, “E-mails”.",
    },
}

LETTERS = {
    "registration_code": {"ru": "Код для регистрации", "en": "Code of a registration"},
    "already_registered": {
        "ru": "Кабинет с этой почтой уже есть",
        "en": "This address has a cabinet already",
    },
    "temporary_password": {
        "ru": "Временный пароль и инструкция",
        "en": "Temporary password and instruction",
    },
    "password_reset_link": {
        "ru": "Ссылка для нового пароля",
        "en": "Link to a new password",
    },
    "email_to_confirm": {
        "ru": "Подтверждение нового адреса почты",
        "en": "Confirmation of the new e-mail address",
    },
    "email_to_leave": {
        "ru": "Смена адреса почты: ссылка на прежний адрес",
        "en": "Change of e-mail address: link to the old one",
    },
    "email_taken": {
        "ru": "Смена адреса почты: у нового адреса уже есть кабинет",
        "en": "Change of e-mail address: the new one has a cabinet",
    },
    "email_changed": {"ru": "Адрес почты сменён", "en": "E-mail address changed"},
    "password_changed": {"ru": "Пароль сменён", "en": "Password changed"},
    "second_factor_changed": {
        "ru": "Второй шаг входа изменён",
        "en": "Second step of the log-in changed",
    },
    "recovery_code_used": {
        "ru": "Использован код восстановления",
        "en": "A recovery code was used",
    },
    "second_factor_guessed": {
        "ru": "Кто-то подбирал код второго шага",
        "en": "Somebody tried codes of the second step",
    },
    "sign_in_link": {"ru": "Ссылка для входа", "en": "Link to log in"},
    "new_device": {"ru": "Вход с нового устройства", "en": "Log-in on a new device"},
    "person_erased": {"ru": "Кабинет удалён", "en": "Cabinet erased"},
    "account_linked_by_another": {
        "ru": "Ваш лицевой счёт привязан к другому кабинету",
        "en": "Your account was linked to another cabinet",
    },
    "invitation": {
        "ru": "Приглашение к лицевому счёту",
        "en": "Invitation to an account",
    },
    "invitation_accepted": {
        "ru": "Приглашение к счёту принято",
        "en": "Invitation to an account accepted",
    },
    "access_withdrawn": {
        "ru": "Доступ к лицевому счёту закрыт",
        "en": "Access to an account ended",
    },
    "proofs_guessed": {
        "ru": "Кто-то подбирал данные Вашей квитанции",
        "en": "Somebody tried to guess your bill",
    },
    "payment_receipt": {"ru": "Платёж прошёл: квитанция", "en": "Payment received: receipt"},
    "payment_failed": {"ru": "Платёж не прошёл", "en": "Payment failed"},
    "payment_refunded": {"ru": "Возврат на карту", "en": "Refund to the card"},
    "payment_mismatched": {
        "ru": "Банк сообщил другую сумму платежа",
        "en": "The bank reports another sum of a payment",
    },
    "bill_ready": {"ru": "Начислено за месяц", "en": "The month's bill is ready"},
    "due_soon": {"ru": "Скоро срок оплаты", "en": "Payment is due soon"},
    "overdue": {"ru": "Долг до начисления пеней", "en": "Debt before penalties begin"},
    "question_accepted": {"ru": "Вопрос принят", "en": "Question received"},
    "question_to_department": {"ru": "Вопрос в отдел", "en": "Question to a department"},
    "question_answered": {"ru": "Ответ на вопрос", "en": "Answer to a question"},
    "question_closed": {"ru": "Вопрос закрыт", "en": "Question closed"},
    "dispute_decided": {
        "ru": "Решение по строке начислений",
        "en": "Decision on a line of a bill",
    },
}


def letter_title(kind: str, language: str) -> str:
    """Return the name of a letter; of a kind without one, that it is a letter."""
    return LETTERS.get(kind, {"ru": "Письмо", "en": "Letter"})[language]
