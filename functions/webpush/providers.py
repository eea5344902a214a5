"""The module of each provider, by the word that `WEBPUSH_PROVIDER` may hold.

Apart from the rest that the channel declares, which the function does not load.
"""

PROVIDERS = {
    "vapid": "functions.webpush.vapid_provider",
    "log": "shared.sending.log_provider",
}
