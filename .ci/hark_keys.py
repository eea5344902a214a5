"""A detector of Hark's own API keys for detect-secrets, which knows only other services' (`make secrets`)."""

import re

from detect_secrets.plugins.base import RegexBasedDetector


class HarkKeyDetector(RegexBasedDetector):
    """`hark_<kind>_<caller>_<secret>`, and one whose secret was cut short."""

    secret_type = "Hark API key"  # noqa: S105 # pragma: allowlist secret
    denylist = (re.compile(r"hark_(?:live|test|team)_[A-Za-z0-9]{16}_[A-Za-z0-9_-]{20,}"),)
