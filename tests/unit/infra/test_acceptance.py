"""infra/acceptance.py against a cloud that is made here: where all is well, and with one fault at a time."""

from collections.abc import Callable
from typing import Any

import pytest

from infra import acceptance, cloud
from infra.acceptance import STEPS, run
from infra.cloud import Cloud
from tests.fakes.google_cloud import LISTS, URL, GoogleCloud


@pytest.fixture
def fake() -> GoogleCloud:
    return GoogleCloud()


@pytest.fixture
def deployed(fake: GoogleCloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    return fake.deployed(monkeypatch)


def test_where_all_is_well_each_step_says_so(
    fake: GoogleCloud, deployed: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(deployed)
    said = capsys.readouterr().out
    assert said.count("  as expected: ") == len(STEPS)
    assert said.endswith("all is as expected\n")
    assert "hark_" not in said
    assert 15 * 60 <= fake.slept < 16 * 60  # the pause, and no waiting for what is there


def test_every_query_is_asked_with_and_without_its_filters_and_by_a_key_that_sees_only_its_own(
    fake: GoogleCloud, deployed: Cloud
) -> None:
    STEPS["queries"](deployed)
    assert {query for key, query in fake.asked_for if key == "hark_1"} == LISTS
    assert {query for key, query in fake.asked_for if key == "hark_test_1"} == {q for q in LISTS if "notif" in q}


def test_a_filter_that_it_has_no_value_for_is_said(
    fake: GoogleCloud, deployed: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(acceptance.VALUES, "status")
    with pytest.raises(cloud.Unexpected, match=r"/v1/notifications has the filters \['status'\]"):
        STEPS["queries"](deployed)


def test_what_was_rolled_back_goes_forward_whatever_happens(fake: GoogleCloud, deployed: Cloud) -> None:
    fake.faults = {"rolled"}
    with pytest.raises(cloud.Unexpected):
        STEPS["rolled_back"](deployed)
    traffic = [command for command in fake.commands if "update-traffic" in command]
    assert "--to-revisions=hark-x-00001-a=100" in traffic[0]
    assert "--to-latest" in traffic[-1]


@pytest.mark.parametrize(
    ("fault", "steps", "said"),
    [
        ("url", "urls", "and not https://hark-gateway-123.europe-west1.run.app"),
        ("job", "urls", "hark-relay is called with the audience"),
        ("push", "urls", "hark-email is called with the audience"),
        ("closed", "doors", "a 403 is Cloud Run's: see all_users"),
        ("door", "doors", "answers 200 past the load balancer"),
        ("sent", "sent, rolled_back, idle", "email dead (rejected)"),
        ("refused", "accepted", "hark-relay refuses its caller with 403"),
        ("silent", "accepted", "has answered with a 2xx, after 3 minutes"),
        ("index", "queries", "/v1/notifications?limit=1&status=sent answered 503"),
        ("publish", "nacked", "PERMISSION_DENIED"),
        ("kept", "nacked", "is not in notifications-email-dead-keep, after 15 minutes"),
        ("count", "nacked", "with the delivery count 4 and not 5"),
        ("policy", "alert", "with no such policy"),
        ("quiet", "alert", "none of its conditions holds, after 10 minutes"),
        ("one revision", "rolled_back", "has one revision"),
        ("traffic", "rolled_back", "PERMISSION_DENIED"),
        ("rolled", "rolled_back", "email dead (rejected)"),
        ("slept", "idle", "email dead (rejected)"),
    ],
)
def test_each_fault_fails_its_step_alone(
    fault: str, steps: str, said: str, fake: GoogleCloud, deployed: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.faults = {fault}
    assert not run(deployed)
    out = capsys.readouterr().out
    assert f"not as expected: {steps}\n" in out
    assert said in out


def test_an_answer_of_another_form_fails_its_step_and_stops_no_other(
    fake: GoogleCloud, deployed: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real: Callable[..., Any] = fake._answer
    monkeypatch.setattr(fake, "_answer", lambda *words: {} if words[0] == "scheduler" else real(*words))
    assert not run(deployed)
    assert "not as expected: urls\n" in capsys.readouterr().out


@pytest.mark.parametrize("key", ["", "hark_test_1", "something"])
def test_it_wants_a_key_that_may_read_all(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_API_KEY", key)
    monkeypatch.setattr("sys.argv", ["", "--project=p", "--region=r", "--name=hark", f"--url={URL}"])
    with pytest.raises(SystemExit, match="HARK_API_KEY must be a key with all scopes"):
        acceptance.main()
