"""The module of each provider, by the word that `PUSH_PROVIDER` may hold.

Apart from the rest that the channel declares, which the function does not load.
"""

PROVIDERS = {
    "fcm": "functions.push.fcm_provider",
    "log": "shared.sending.log_provider",
}
