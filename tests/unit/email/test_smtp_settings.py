"""SMTP_URL, SMTP_TLS, SMTP_HELO and SMTP_OAUTH_…: what they mean, and what stops the start."""

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from functions.email.smtp_provider import SmtpSettings
from functions.email.smtp_server import Tls

OAUTH = {
    "smtp_oauth_token_url": "https://oauth2.googleapis.com/token",
    "smtp_oauth_client_id": "client",
    "smtp_oauth_client_secret": "client-canary",  # pragma: allowlist secret
    "smtp_oauth_refresh_token": "refresh-canary",
}


def settings(url: str, **others: Any) -> SmtpSettings:
    return SmtpSettings.model_validate({"smtp_url": url, "email_from": "hark@example.com", **others})


def refused(url: str, **others: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        settings(url, **others)
    [error] = raised.value.errors()
    message = str(error["msg"])
    assert "canary" not in message
    return ".".join(str(part).upper() for part in error["loc"]) + message


@pytest.mark.parametrize(
    "password",
    [
        "canary/3",
        "12/canary",
        "canary?x",
        "canary#x",
        "50%canary",
        "50%-canary",
        "[canary",
        "can ary",
        "c@n/ary",
        "12/",
    ],
)
def test_a_password_that_is_not_percent_encoded_stops_the_start(password: str) -> None:
    message = refused(f"smtp://user:{password}@mail.example.com")
    assert "SMTP_URL" in message
    assert "percent-encoded" in message


def test_a_percent_encoded_password_is_read() -> None:
    server = settings("smtp://us%40er:12%2F3%25%20%3A%23@mail.example.com:2525").server()
    assert (server.host, server.port, server.user, server.password) == ("mail.example.com", 2525, "us@er", "12/3% :#")


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com",
        "http://mail.example.com",
        "smtp://",
        "smtp://:25",
        "smtp://mail.example.com:0",
        "smtp://mail.example.com:99999",
        "smtp://mail.example.com:canary",
        "smtp://mail.example.com/path",
        "smtp://user@mail.example.com",
        "smtp://:password@mail.example.com",
    ],
)
def test_what_is_no_mail_server_stops_the_start(url: str) -> None:
    assert "SMTP_URL" in refused(url)


@pytest.mark.parametrize(
    ("url", "tls", "expected"),
    [
        ("smtp://mail.example.com", None, Tls.OPPORTUNISTIC),
        ("smtp://mail.example.com", "opportunistic", Tls.OPPORTUNISTIC),
        ("smtp://mail.example.com", "required", Tls.REQUIRED),
        ("smtp://mail.example.com", "verified", Tls.VERIFIED),
        # Literal braces: the scan for secrets takes a plain word there for a password.
        ("smtp://user:{password}@mail.example.com", None, Tls.VERIFIED),
        ("smtp://user:{password}@mail.example.com", "verified", Tls.VERIFIED),
        ("smtp://user:{password}@127.0.0.1", None, Tls.OPPORTUNISTIC),
        ("smtp://user:{password}@localhost", "required", Tls.REQUIRED),
        ("smtps://mail.example.com", None, Tls.VERIFIED),
        ("smtps://mail.example.com", "required", Tls.REQUIRED),
        ("smtps://user:{password}@mail.example.com", None, Tls.VERIFIED),
    ],
)
def test_how_sure_the_connection_is(url: str, tls: str | None, expected: Tls) -> None:
    assert settings(url, smtp_tls=tls).server().tls is expected


@pytest.mark.parametrize(
    ("url", "tls"),
    [
        ("smtp://user:{password}@mail.example.com", "opportunistic"),
        ("smtp://user:{password}@mail.example.com", "required"),
        ("smtps://user:{password}@mail.example.com", "required"),
        ("smtps://mail.example.com", "opportunistic"),
        ("smtp://mail.example.com", "sometimes"),
    ],
)
def test_a_password_goes_only_to_a_server_that_is_verified(url: str, tls: str) -> None:
    assert "SMTP_TLS" in refused(url, smtp_tls=tls)


@pytest.mark.parametrize(
    ("helo", "expected"),
    [
        ("mail.example.com", "mail.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("gateway", "gateway"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
    ],
)
def test_the_name_of_the_greeting_can_be_set(helo: str, expected: str) -> None:
    assert settings("smtp://mail.example.com", smtp_helo=helo).smtp_helo == expected


@pytest.mark.parametrize("helo", ["a b", "a\r\nMAIL FROM:<x>", "[canary]", "[192.0.2.1", "a@b.example", "-x"])
def test_a_wrong_name_stops_the_start(helo: str) -> None:
    assert refused("smtp://mail.example.com", smtp_helo=helo).startswith("SMTP_HELO")


def test_oauth_with_a_refresh_token_or_as_the_application() -> None:
    by_token = settings("smtp://me%40example.com@smtp.gmail.com", **OAUTH).oauth()
    assert by_token is not None
    assert by_token.form["grant_type"] == "refresh_token"
    assert by_token.form["refresh_token"] == "refresh-canary"
    others = OAUTH | {"smtp_oauth_refresh_token": None, "smtp_oauth_scope": "https://outlook.office365.com/.default"}
    by_scope = settings("smtp://me%40example.com@smtp.office365.com", **others).oauth()
    assert by_scope is not None
    assert by_scope.form["grant_type"] == "client_credentials"
    assert "canary" not in repr(by_token) + repr(by_scope)


@pytest.mark.parametrize("missing", ["smtp_oauth_token_url", "smtp_oauth_client_id", "smtp_oauth_client_secret"])
def test_half_of_oauth_stops_the_start(missing: str) -> None:
    assert missing.upper() in refused("smtp://me@smtp.gmail.com", **(OAUTH | {missing: None}))


@pytest.mark.parametrize("url", ["smtp://smtp.gmail.com", "smtp://me:{password}@smtp.gmail.com"])
def test_oauth_needs_a_user_and_no_password(url: str) -> None:
    assert "SMTP_URL" in refused(url, **OAUTH)


@pytest.mark.parametrize("url", ["http://oauth2.googleapis.com/token", "ftp://x", "token"])
def test_the_secrets_of_oauth_go_over_https(url: str) -> None:
    assert refused("smtp://me@smtp.gmail.com", **(OAUTH | {"smtp_oauth_token_url": url})).startswith("SMTP_OAUTH_TOKEN")


def test_nothing_of_it_shows_a_secret() -> None:
    made = settings("smtp://user:canary@mail.example.com")
    assert "canary" not in f"{made!r} {made.server()!r}"
    assert isinstance(made.smtp_url, SecretStr)
