"""The module of each provider, by the word that `SMS_PROVIDER` may hold.

Apart from the rest that the channel declares, which the function does not load.
"""

PROVIDERS = {
    "twilio": "functions.sms.twilio_provider",
    "vonage": "functions.sms.vonage_provider",
    "log": "shared.sending.log_provider",
}
