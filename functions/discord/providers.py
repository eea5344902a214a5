"""The module of each provider, by the word that `DISCORD_PROVIDER` may hold.

Apart from the rest that the channel declares, which the function does not load.
"""

PROVIDERS = {
    "discord": "functions.discord.discord_provider",
    "log": "shared.sending.log_provider",
}
