"""Names in the place of URLs that are secrets."""

import pytest
from pydantic import SecretStr

from shared.channels import named_urls
from shared.delivery.errors import Refused

URL = "https://hooks.example.com/canary?a=1&b=2"


@pytest.mark.parametrize(("address", "name"), [("ops", "ops"), (" Ops.Team-1 ", "ops.team-1"), ("a" * 63, "a" * 63)])
def test_a_name_is_spelt_in_lower_case(address: str, name: str) -> None:
    assert named_urls.normalise(address) == name


@pytest.mark.parametrize("address", ["", " ", "a b", "-a", "ä", "a" * 64, URL, "a\nb"])
def test_what_is_no_name_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(ValueError, match="must ") as refused:
        named_urls.normalise(address)
    assert "canary" not in str(refused.value)


def test_urls_are_known_by_their_names() -> None:
    known = named_urls.urls(SecretStr(f"ops={URL}\n  dev=http://127.0.0.1:1/x "))
    assert {name: url.get_secret_value() for name, url in known.items()} == {"ops": URL, "dev": "http://127.0.0.1:1/x"}
    assert named_urls.url_of(known, "ops", "TEAMS_URLS") == URL
    with pytest.raises(Refused, match="TEAMS_URLS has no URL by that name"):
        named_urls.url_of(known, "sales", "TEAMS_URLS")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (URL, "entry 1 has no name"),
        (f"ops={URL} Dev={URL}", "entry 2 has no name"),
        (f"ops={URL} ops={URL}", "names ops twice"),
        ("ops=canary", "ops must be an http:// or https:// URL"),
        ("ops=http://hooks.example.com/canary", "ops must be https"),
    ],
)
def test_a_wrong_entry_is_named_without_its_url(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as wrong:
        named_urls.urls(SecretStr(text))
    assert "canary" not in str(wrong.value)


def test_the_gateway_refuses_what_the_operator_has_not_named() -> None:
    screen = named_urls.screen({"ops"}, "TEAMS_NAMES")
    assert screen.refusal("ops") is None
    assert screen.refusal("sales") == "TEAMS_NAMES does not name it"
    assert named_urls.screen((), "TEAMS_NAMES").refusal("sales") is None
