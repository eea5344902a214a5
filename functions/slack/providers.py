"""The module of each provider, by the word that `SLACK_PROVIDER` may hold.

Apart from the rest that the channel declares, which the function does not load.
"""

PROVIDERS = {
    "slack": "functions.slack.web_api_provider",
    "webhook": "functions.slack.webhook_provider",
    "log": "shared.sending.log_provider",
}
