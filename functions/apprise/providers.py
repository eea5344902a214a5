"""The module of each provider, by the word that `APPRISE_PROVIDER` may hold.

Apart from the rest that the channel declares, which the function does not load.
"""

PROVIDERS = {
    "apprise": "functions.apprise.apprise_provider",
    "log": "shared.sending.log_provider",
}
