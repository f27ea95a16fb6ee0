"""The words of `saldo notifications`: a letter is neuter in Russian, a mailing is not a letter."""

from __future__ import annotations

from services.language import Language, spoken
from services.notifications.mailing import State
from services.notifications.verbs import mailing_state, state_name


def test_states_of_letters_agree_with_the_word_in_russian() -> None:
    with spoken(Language.RU):
        names = [state_name(state) for state in ("queued", "sent", "failed", "bounced")]
    assert names == ["ждёт отправки", "отправлено", "не доставлено", "вернулось"]


def test_a_finished_mailing_is_not_said_to_wait() -> None:
    with spoken(Language.RU):
        done = mailing_state({"state": State.DONE.value, "progress": None})
        assert done == "поставлена в очередь"
        assert done != state_name("queued")
