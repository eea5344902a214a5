from typing import Any

import pytest

from tests.drill.log_filter import matcher

DEAD = {"message": "dead", "status": "dead", "outcome": "unknown"}
REFUSED = {"message": "the provider refuses our credentials", "status": "dead", "outcome": "refused"}


@pytest.mark.parametrize(
    ("text", "entry", "taken"),
    [
        ('jsonPayload.message="dead"', DEAD, True),
        ('jsonPayload.message="dead"', REFUSED, False),
        ("jsonPayload.outcome:*", DEAD, True),
        ("jsonPayload.outcome:*", {"outcome": None}, False),
        ("jsonPayload.outcome:*", {}, False),
        ("jsonPayload.ms<=60", {"ms": 60}, True),
        ("jsonPayload.ms>60", {"ms": 60}, False),
        ("jsonPayload.ms>60", {}, False),
        ('NOT jsonPayload.outcome="refused"', {}, True),
        ('jsonPayload.a="1" jsonPayload.b="2"', {"a": "1", "b": "2"}, True),
        ('jsonPayload.a="1" jsonPayload.b="2"', {"a": "1"}, False),
        ('jsonPayload.a="1" AND jsonPayload.b="2" OR jsonPayload.c="3"', {"a": "1", "c": "3"}, True),
        ('jsonPayload.c="3" OR jsonPayload.b="2" AND jsonPayload.a="1"', {"c": "3"}, False),
        ('(jsonPayload.a="1" AND jsonPayload.b="2") OR jsonPayload.c="3"', {"c": "3"}, True),
        ('(jsonPayload.ms>60 OR (jsonPayload.message="dead" AND NOT jsonPayload.outcome="refused"))', DEAD, True),
    ],
)
def test_it_takes_what_cloud_logging_would(text: str, entry: dict[str, Any], taken: bool) -> None:
    assert matcher(text)(entry) is taken


@pytest.mark.parametrize(
    "text", ["", "dead", 'severity="ERROR"', '(jsonPayload.a="1"', 'jsonPayload.a="1")', 'jsonPayload.a:"1"', "NOT"]
)
def test_what_it_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not understood|is not closed|ends where"):
        matcher(text)
