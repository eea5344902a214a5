"""The module of each provider, by the word that `WHATSAPP_PROVIDER` may hold.

Apart from the rest that the channel declares, which the function does not load.
"""

PROVIDERS = {
    "twilio_whatsapp": "functions.whatsapp.twilio_whatsapp_provider",
    "log": "shared.sending.log_provider",
}
