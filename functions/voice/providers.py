"""The module of each provider, by the word that `VOICE_PROVIDER` may hold.

Apart from the rest that the channel declares, which the function does not load.
"""

PROVIDERS = {
    "twilio_voice": "functions.voice.twilio_voice_provider",
    "log": "shared.sending.log_provider",
}
