"""The module of each provider, by the word that `GOOGLECHAT_PROVIDER` may hold.

Apart from the rest that the channel declares, which the function does not load.
"""

PROVIDERS = {
    "googlechat": "functions.googlechat.googlechat_provider",
    "log": "shared.sending.log_provider",
}
