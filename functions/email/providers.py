"""The module of each provider, by the word that `EMAIL_PROVIDER` may hold.

Apart from the rest that the channel declares, which the function does not load.
"""

PROVIDERS = {
    "sendgrid": "functions.email.sendgrid_provider",
    "smtp": "functions.email.smtp_provider",
    "log": "shared.sending.log_provider",
}
