"""The topics and subscriptions that a channels file asks for."""

from pathlib import Path

import pytest

from emulator.config import Config, load
from emulator.provision import plan


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra" / "channels.yaml").write_text("pigeon: {}\ndrum: {}")
    return load(tmp_path, {"GOOGLE_CLOUD_PROJECT": "here", "ACK_DEADLINE_SECONDS": "40"})


def test_each_channel_has_its_topics_and_a_dead_one(config: Config) -> None:
    assert list(plan(config, "127.0.0.1").topics) == [
        "projects/here/topics/notifications-pigeon",
        "projects/here/topics/notifications-pigeon-bulk",
        "projects/here/topics/notifications-pigeon-dead",
        "projects/here/topics/notifications-drum",
        "projects/here/topics/notifications-drum-bulk",
        "projects/here/topics/notifications-drum-dead",
    ]


@pytest.mark.parametrize("queue", ["drum", "drum-bulk"])
def test_a_channel_is_pushed_to_and_gives_up_after_five_attempts(config: Config, queue: str) -> None:
    assert plan(config, "127.0.0.1").subscriptions[f"projects/here/subscriptions/notifications-{queue}-push"] == {
        "topic": f"projects/here/topics/notifications-{queue}",
        "ackDeadlineSeconds": 40,
        "pushConfig": {"pushEndpoint": "http://127.0.0.1:8104/"},
        "deadLetterPolicy": {
            "deadLetterTopic": "projects/here/topics/notifications-drum-dead",
            "maxDeliveryAttempts": 5,
        },
    }


def test_the_dead_are_pushed_and_kept(config: Config) -> None:
    subscriptions = plan(config, "host.docker.internal").subscriptions
    assert subscriptions["projects/here/subscriptions/notifications-drum-dead-push"] == {
        "topic": "projects/here/topics/notifications-drum-dead",
        "ackDeadlineSeconds": 40,
        "pushConfig": {"pushEndpoint": "http://host.docker.internal:8101/"},
    }
    assert subscriptions["projects/here/subscriptions/notifications-drum-dead-keep"] == {
        "topic": "projects/here/topics/notifications-drum-dead"
    }


def test_there_is_no_retry_policy_and_no_ordering_which_the_emulator_does_not_survive(config: Config) -> None:
    for subscription in plan(config, "127.0.0.1").subscriptions.values():
        assert not {"retryPolicy", "enableMessageOrdering"} & subscription.keys()
