"""The JSON of /v1/system."""

from datetime import datetime

from typing_extensions import TypedDict

from shared.channels.setup import ChannelSetup, SettingState


class SettingProblemJson(TypedDict):
    """`name`: of the setting; what it is set to is never shown. `effect`: what comes of it"""

    name: str
    state: SettingState
    effect: str


class ChannelSetupJson(TypedDict):
    """`providers`: those that may send, the first choice first; `receipts`: those whose receipts the gateway can read
    `settings`: which of the channel's are missing or suspicious, as far as the gateway has them
    """

    name: str
    providers: list[str]
    receipts: list[str]
    settings: list[SettingProblemJson]


class SystemJson(TypedDict):
    """`now`: by the gateway's clock; `revision`: what answers, as Cloud Run calls it; null elsewhere
    `epoch`: of the deployment; `held`: why nothing is sent, of records that were restored; null where they are let go
    `relay_ran_at`: when the relay had last looked through all that is overdue; null where it never has
    """

    now: datetime
    revision: str | None
    epoch: str | None
    held: str | None
    relay_ran_at: datetime | None
    channels: list[ChannelSetupJson]


def setup_json(name: str, setup: ChannelSetup) -> ChannelSetupJson:
    return ChannelSetupJson(
        name=name,
        providers=list(setup.providers),
        receipts=list(setup.receipts),
        settings=[
            SettingProblemJson(name=problem.name, state=problem.state, effect=problem.effect)
            for problem in setup.problems
        ],
    )
