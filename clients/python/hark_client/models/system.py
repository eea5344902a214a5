"""How the deployment itself is."""

from datetime import datetime
from typing import Optional, Union

from hark_client.models.base import Answer
from hark_client.models.words import SettingState


class SettingProblem(Answer):
    """name: of a setting; effect: what comes of it"""

    name: str
    state: Union[SettingState, str]
    effect: str


class ChannelSetup(Answer):
    """providers: those that may send, the first choice first; receipts: those whose receipts the gateway can read

    settings: which of the channel's are missing or suspicious, as far as the gateway has them
    """

    name: str
    providers: list[str]
    receipts: list[str]
    settings: list[SettingProblem]


class System(Answer):
    """now: by the gateway's clock; revision: what answers, as Cloud Run calls it

    held: why nothing is sent, of records that were restored from a backup
    relay_ran_at: when the relay had last looked through all that is overdue; None: it never has
    """

    now: datetime
    revision: Optional[str]
    epoch: Optional[str]
    held: Optional[str]
    relay_ran_at: Optional[datetime]
    channels: list[ChannelSetup]
