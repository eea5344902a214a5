"""In which language a message is read out: https://www.twilio.com/docs/voice/twiml/say#attributes-language"""

DEFAULT = "en-US"

# Those of the basic voices, which each account has; of a language without its country the first one is taken.
LANGUAGES = (
    *("da-DK", "de-DE", "en-US", "en-GB", "en-AU", "en-CA", "en-IN", "es-ES", "es-MX", "es-US", "fi-FI", "fr-FR"),
    *("fr-CA", "it-IT", "ja-JP", "ko-KR", "nb-NO", "nl-NL", "pl-PL", "pt-BR", "pt-PT", "ru-RU", "sv-SE", "tr-TR"),
    *("zh-CN", "zh-HK", "zh-TW", "ar-XA", "ca-ES", "cs-CZ", "el-GR", "hi-IN", "hu-HU", "id-ID", "ro-RO", "sk-SK"),
    *("th-TH", "uk-UA", "vi-VN"),
)
_BY_NAME = {name.lower(): name for name in LANGUAGES}
_BY_LANGUAGE = {name.partition("-")[0]: name for name in reversed(LANGUAGES)}


def spoken(*locales: str | None) -> str:
    """The language of the first of these locales that can be read out, as de-AT or pt_BR; else DEFAULT."""
    for locale in locales:
        tag = (locale or "").replace("_", "-").lower()
        found = _BY_NAME.get(tag) or _BY_LANGUAGE.get(tag.partition("-")[0])
        if found is not None:
            return found
    return DEFAULT


def is_spoken(locale: str) -> bool:
    return locale.replace("_", "-").lower().partition("-")[0] in _BY_LANGUAGE
