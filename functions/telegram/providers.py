"""The module of each provider, by the word that `TELEGRAM_PROVIDER` may hold.

Apart from the rest that the channel declares, which the function does not load.
"""

PROVIDERS = {
    "telegram": "functions.telegram.telegram_provider",
    "log": "shared.sending.log_provider",
}
