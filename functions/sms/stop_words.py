"""Which answers mean "no more", and which "more again".

Twilio's own words: English, by https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out and its help center's
"Twilio support for opt-out keywords (SMS STOP filtering)"; French, by https://www.twilio.com/docs/proxy/opt-out-keywords
(read 2026-11). Those of other languages are what the account's Advanced Opt-Out has: then Twilio says itself what is
meant (`twilio_replies.py`).
"""

import unicodedata

from shared.sending.replies import Wish

STOP = frozenset(
    {
        *("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"),
        *("arret", "arrete", "arrett"),
    }
)
START = frozenset({"start", "yes", "unstop"})
# HELP and INFO are answered by Twilio, and change nothing.


def wish_of(text: str) -> Wish | None:
    """By the whole text, as Twilio does: "please stop by at six" is none.

    Of a STOP only the letters count, in any case and without accents: "Stop!", "STOP ALL", "opt-out" and "Arrêt." mean
    it, and who is stopped by mistake can say START. A START must be just the word, as Twilio wants it.
    """
    letters = "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if c.isalpha())
    if letters in STOP:
        return Wish.STOP
    return Wish.START if text.strip().casefold() in START else None
