"""Texts for the codes of helpdesk: questions and topics."""

from __future__ import annotations

HELPDESK = {
    "unknown_topic": {
        "ru": "Такой темы нет. Выберите тему из списка.",
        "en": "There is no such topic. Choose one from the list.",
    },
    "invalid_text": {
        "ru": "Текст не подходит. Напишите от 1 до {max_length} знаков.",
        "en": "The text is not valid. Write 1 to {max_length} characters.",
    },
    "too_many_questions": {
        "ru": "За сутки можно задать не более {limit} вопросов. Допишите в уже заданный вопрос "
        "или вернитесь завтра.",
        "en": "At most {limit} questions can be asked within a day. Add to a question that you "
        "have asked, or come back tomorrow.",
    },
    "too_many_messages": {
        "ru": "За сутки можно отправить не более {limit} сообщений. Вернитесь завтра.",
        "en": "At most {limit} messages can be sent within a day. Write again tomorrow.",
    },
    "question_not_found": {
        "ru": "Такого вопроса среди Ваших нет. Выберите вопрос из списка.",
        "en": "There is no such question among yours. Choose one from the list.",
    },
    "question_exists": {
        "ru": "Этот вопрос уже задан. Допишите сообщение в него.",
        "en": "This question has been asked already. Add a message to it.",
    },
}
