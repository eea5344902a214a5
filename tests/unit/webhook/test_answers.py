"""What an endpoint's answer means."""

from datetime import UTC, datetime

import pytest

from functions.webhook.answers import of_answer
from shared.delivery.errors import Permanent, Retryable, Throttled

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_2xx_is_success(status: int) -> None:
    assert of_answer(status, {}, NOW) is None


@pytest.mark.parametrize("status", [300, 304, 400, 401, 403, 404, 408, 422, 500, 502, 503, 504])
def test_anything_else_is_tried_again(status: int) -> None:
    assert type(of_answer(status, {}, NOW)) is Retryable


def test_a_410_is_for_good() -> None:
    assert isinstance(of_answer(410, {}, NOW), Permanent)


@pytest.mark.parametrize(
    ("status", "retry_after", "pause"),
    [
        (429, None, None),
        (429, "120", 120.0),
        (503, "7", 7.0),
        (503, "Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        (429, "Thu, 01 Jan 2015 00:00:00 GMT", 0.0),
        (429, "soon", None),
    ],
)
def test_who_asks_for_time_gets_it(status: int, retry_after: str | None, pause: float | None) -> None:
    answered = of_answer(status, {} if retry_after is None else {"Retry-After": retry_after}, NOW)
    assert isinstance(answered, Throttled)
    assert answered.retry_after == pause


def test_what_no_time_can_be_read_of_is_an_ordinary_503() -> None:
    assert type(of_answer(503, {"Retry-After": "soon"}, NOW)) is Retryable
