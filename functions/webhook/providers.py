"""The module of each provider, by the word that `WEBHOOK_PROVIDER` may hold.

Apart from the rest that the channel declares, which the function does not load.
"""

PROVIDERS = {
    "webhook": "functions.webhook.webhook_provider",
    "log": "shared.sending.log_provider",
}
