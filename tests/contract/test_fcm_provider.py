"""Firebase Cloud Messaging's provider, held to the contract of all."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from functions.push.fcm_codes import CODES
from functions.push.fcm_provider import FcmProvider, FcmSettings
from functions.push.message import request_of
from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Throttled, Unknown
from shared.delivery.model import SuppressionReason
from shared.google.access_token import GoogleAccessToken
from shared.sending.provider import Provider
from tests.contract.providers import Lab, SessionContract, Where
from tests.fakes.clock import START

FCM = "type.googleapis.com/google.firebase.fcm.v1.FcmError"


def fcm_error(code: str, *others: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"status": "canary", "message": "canary", "details": [{"@type": FCM, "errorCode": code}, *others]}}


class TestFcm(SessionContract):
    channel = "push"
    name = "fcm"
    address = "canary-token-of-an-app:0123456789"
    has_subject = True

    def provider(self, where: Where) -> Provider:
        settings = FcmSettings(fcm_base_url=f"http://{where.host}:{where.port}")
        return FcmProvider(settings, "any-project", GoogleAccessToken((), emulated=True), now=lambda: START)

    async def test_all_parts_arrive(self, lab: Lab) -> None:
        parts = {"image": "https://a.test/x.png", "data": {"order": "42"}}
        ends = {"deliver_by": START + timedelta(seconds=90), "collapse": "a-key"}
        await self.sent(lab.where, self.outgoing_with(parts, **ends))
        [item] = await lab.inbox()
        assert item["subject"] == "Deploy"
        assert {**parts, "wanted for": "90s"}.items() <= item["shown"].items()
        assert len(item["shown"]["in the place of"]) == 32

    async def test_a_topic_is_one(self, lab: Lab) -> None:
        await self.sent(lab.where, self.outgoing_to("topic:news"))
        [item] = await lab.inbox()
        assert item["to"] == "topic:news"

    @pytest.mark.parametrize(
        ("left", "seconds"),
        [(timedelta(minutes=1), 60), (timedelta(seconds=-5), 0), (timedelta(days=40), 28 * 86_400)],
    )
    def test_each_platform_is_told_how_long_it_is_wanted(self, left: timedelta, seconds: int) -> None:
        message = request_of(replace(self.outgoing(), deliver_by=START + left), START)["message"]
        assert message["android"] == {"ttl": f"{seconds}s"}
        assert message["webpush"] == {"headers": {"TTL": str(seconds)}}
        assert message["apns"] == {"headers": {"apns-expiration": str(int(START.timestamp()) + seconds)}}

    def test_what_nobody_has_said_is_not_there(self) -> None:
        assert request_of(self.outgoing(), START)["message"].keys() == {"token", "notification"}

    @pytest.mark.parametrize("code", CODES)
    async def test_a_code_means_what_the_table_says(self, code: str) -> None:
        error = await self.refused_with(fcm_error(code))
        assert type(error) is CODES[code][0]
        suppresses = SuppressionReason.INVALID if code == "UNREGISTERED" else None
        assert getattr(error, "suppresses", None) is suppresses

    async def test_of_a_wrong_token_the_words_say_so(self) -> None:
        wrong = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "message.token"}]}
        error = await self.refused_with(fcm_error("INVALID_ARGUMENT", wrong))
        assert type(error) is Permanent
        assert "no registration token" in str(error)

    async def test_a_quota_without_a_time_is_waited_for_a_minute(self) -> None:
        error = await self.refused_with(fcm_error("QUOTA_EXCEEDED"), 429)
        assert isinstance(error, Throttled)
        assert error.retry_after == 60

    async def test_what_is_overloaded_says_when_to_come_back(self) -> None:
        error = await self.refused_with(fcm_error("UNAVAILABLE"), 503, {"Retry-After": "7"})
        assert isinstance(error, Throttled)
        assert error.retry_after == 7

    @pytest.mark.parametrize(
        ("status", "expected"), [(401, Retryable), (403, Retryable), (404, Refused), (500, Unknown), (400, Refused)]
    )
    async def test_without_a_code_it_goes_by_its_status(self, status: int, expected: type[SendError]) -> None:
        error = await self.refused_with({"error": {"status": "NOT_FOUND", "details": "canary"}}, status)
        assert type(error) is expected

    async def test_a_success_that_names_no_message_is_unknown(self) -> None:
        for document in ({}, {"name": 5}, {"name": ""}):
            assert type(await self.refused_with(document, 200)) is Unknown
