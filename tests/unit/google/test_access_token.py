"""An access token of the process's own account: asked for once for all, and by nobody's waiting alone."""

import asyncio
import threading
from typing import Any

import google.auth
import google.auth.exceptions
import pytest

from shared.delivery.errors import Retryable
from shared.google.access_token import GoogleAccessToken


class Account:
    """Credentials of google-auth's."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.refreshed = 0
        self.go_on = threading.Event()
        self.go_on.set()
        self.valid = False
        self.token: str | None = None

    def refresh(self, _: Any) -> None:
        assert self.go_on.wait(5)
        self.refreshed += 1
        if self.error is not None:
            raise self.error
        self.valid, self.token = True, f"token-{self.refreshed}"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    made = Account()
    monkeypatch.setattr(google.auth, "default", lambda **_: (made, "any"))
    return made


async def test_beside_emulators_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google.auth, "default", lambda **_: pytest.fail("asked"))
    assert await GoogleAccessToken((), emulated=True).get(5) == "owner"


async def test_all_that_wait_wait_for_one_refresh(account: Account) -> None:
    token = GoogleAccessToken((), emulated=False)
    assert await asyncio.gather(*(token.get(5) for _ in range(20))) == ["token-1"] * 20
    assert await token.get(5) == "token-1"
    assert account.refreshed == 1


async def test_it_is_fetched_anew_when_it_ends_and_when_it_is_refused(account: Account) -> None:
    token = GoogleAccessToken((), emulated=False)
    assert await token.get(5) == "token-1"
    account.valid = False
    assert await token.get(5) == "token-2"
    token.drop("token-1")
    assert await token.get(5) == "token-2"
    token.drop("token-2")
    assert await token.get(5) == "token-3"


async def test_who_goes_away_ends_no_refresh_of_others(account: Account) -> None:
    account.go_on.clear()
    token = GoogleAccessToken((), emulated=False)
    first, second = (asyncio.create_task(token.get(5)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    account.go_on.set()
    assert await second == "token-1"


async def test_who_gets_no_answer_in_time_comes_back_later(account: Account) -> None:
    account.go_on.clear()
    token = GoogleAccessToken((), emulated=False)
    with pytest.raises(Retryable, match="no answer in time"):
        await token.get(0.05)
    account.go_on.set()
    assert await token.get(5) == "token-1"


async def test_one_that_is_refused_while_others_wait_for_the_next_is_no_trouble(account: Account) -> None:
    token = GoogleAccessToken((), emulated=False)
    waiting = [asyncio.create_task(token.get(5)) for _ in range(3)]
    assert await waiting[0] == "token-1"
    token.drop("token-1")
    assert [await each for each in waiting] == ["token-1"] * 3


@pytest.mark.parametrize(
    ("error", "credentials"), [("TransportError", False), ("RefreshError", True), ("DefaultCredentialsError", True)]
)
async def test_a_failure_is_ours_and_the_next_asks_again(account: Account, error: str, credentials: bool) -> None:
    account.error = getattr(google.auth.exceptions, error)("canary")
    token = GoogleAccessToken((), emulated=False)
    with pytest.raises(Retryable) as raised:
        await token.get(5)
    assert raised.value.credentials == credentials
    assert "canary" not in str(raised.value)
    account.error = None
    assert await token.get(5) == "token-2"
