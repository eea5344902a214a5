"""The module of each provider, by the word that `TEAMS_PROVIDER` may hold.

Apart from the rest that the channel declares, which the function does not load.
"""

PROVIDERS = {
    "workflows": "functions.teams.workflows_provider",
    "log": "shared.sending.log_provider",
}
