"""Which names the operator says that there are: GOOGLECHAT_NAMES. The URLs behind them are the function's alone."""

from typing import Annotated

from pydantic import BeforeValidator

from shared.channels import named_urls
from shared.channels.declaration import Screen
from shared.runtime.settings import Settings, listed, load


class NamesSettings(Settings):
    googlechat_names: Annotated[tuple[named_urls.Name, ...], BeforeValidator(listed)] = ()


def screen() -> Screen:
    """SystemExit when a setting is wrong."""
    return named_urls.screen(load(NamesSettings).googlechat_names, "GOOGLECHAT_NAMES")
